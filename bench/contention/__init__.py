# SPDX-License-Identifier: GPL-2.0-only
"""What a design costs when several CPUs use one VM at once: on real threads, and modelled for machines nobody has."""
