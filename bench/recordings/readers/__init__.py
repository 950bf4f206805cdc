# SPDX-License-Identifier: GPL-2.0-only
"""Readers: one per form in which a recording comes."""
