# SPDX-License-Identifier: GPL-2.0-only
"""Other forms of results, one module per form."""
