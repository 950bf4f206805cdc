# SPDX-License-Identifier: GPL-2.0-only
"""The world switches: listings, transitions, comparisons, platform figures."""
