# SPDX-License-Identifier: GPL-2.0-only
"""Whole measurements: a run, a sweep, an interrupt's life, break-even."""
