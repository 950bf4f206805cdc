# SPDX-License-Identifier: GPL-2.0-only
"""What a recording shows of its machine: threads, vCPUs, timers."""
