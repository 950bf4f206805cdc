# SPDX-License-Identifier: GPL-2.0-only
"""What one transition or trace does, step by step."""
