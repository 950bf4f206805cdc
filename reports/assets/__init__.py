# SPDX-License-Identifier: GPL-2.0-only
"""Style sheet and script of the page."""
