# SPDX-License-Identifier: GPL-2.0-only
"""The command line's former name, which gates of earlier revisions start."""

from vgic_bench.main import main

if __name__ == "__main__":
    main()
