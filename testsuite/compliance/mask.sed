# SPDX-License-Identifier: GPL-3.0-or-later
# What may differ between two runs: times, process ids, generations, counters, sizes and addresses in memory.
s/(Sun|Mon|Tue|Wed|Thu|Fri|Sat) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-9][0-9] [0-9:]{8} [0-9]{4}/DATE/
s/\([0-9]{3} [0-9:]{8}\)/(SPAN)/
s/^(Duration of last recovery\/failover: )[0-9.-]+/\1SECONDS/
s/^(response from [0-9]+ time=)[0-9.-]+ sec  \([0-9]+ clients\)/\1SECONDS/
s/^(Generation:)[0-9]+$/\1NUMBER/
s/^(Restoring|Dumping)( database .* backup @ ).*/\1\2DATE/
s/^( +[a-z_]+) +[0-9]+$/\1 COUNT/
s/^( *[a-z_]+_buckets:).*/\1 COUNTS/
s/^( .*MIN\/AVG\/MAX +)[0-9.\/]+ sec out of [0-9]+/\1TIMES/
s/^1\|[0-9.|-]+\|$/ONE LINE OF COUNTERS/
/^full talloc report/,/^exit/{
/^exit/!d
}
s/^([0-9a-zA-Z.]+ +(OK|TIMEDOUT|ERROR|DISABLED) +)[0-9.]+ .*/\1DURATION AND DATE/
s/ (Number of hot keys|Num Hot Keys): .*/\1/

s/^Leader:[0-9]+$/Leader:NUMBER/
s/^[0-9]+$/NUMBER/

# our own option
/^  -j, --json /d
s/^Usage: \[-\?YXjv\]/Usage: [-?YXv]/
s/ \[-j\|--json\]//

# C's daemon creates a record with this flag when it looks for one that is not there
s/^flags: 0x00040000 AUTOMATIC$/flags: 0x00000000/
# C's daemon leaves its socket behind
s/errno=111$/errno=2/
