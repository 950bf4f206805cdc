# SPDX-License-Identifier: GPL-2.0-only
"""The four meters: events, time, instructions and the compilation they need."""
