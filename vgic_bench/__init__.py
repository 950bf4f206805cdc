# SPDX-License-Identifier: GPL-2.0-only
"""The front door of vgic-bench: the command line and the Python API."""
