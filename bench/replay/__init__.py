# SPDX-License-Identifier: GPL-2.0-only
"""Replay of a recording on every design."""
