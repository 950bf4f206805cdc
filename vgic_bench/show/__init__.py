# SPDX-License-Identifier: GPL-2.0-only
"""What the commands print: one module per kind of text."""
