# SPDX-License-Identifier: GPL-2.0-only
"""`python -m vgic_bench`: the command line."""

from vgic_bench.main import main

if __name__ == "__main__":
    main()
