/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An uncontended lock taken and released by atomic exchange, many times: the unit that model times are compared in.
 * Built as a shared object; returns nanoseconds for `pairs` lock pairs.
 */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <time.h>

static int lock;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t lock_pairs_ns(int64_t pairs)
{
	int64_t start = now();

	for (int64_t i = 0; i < pairs; i++) {
		while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
			;
		__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	}
	return now() - start;
}
