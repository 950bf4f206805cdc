# SPDX-License-Identifier: GPL-2.0-only
"""Placement: recorded events become operations of a trace."""
