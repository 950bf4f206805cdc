# SPDX-License-Identifier: GPL-2.0-only
"""Processes, signals and standard streams."""
