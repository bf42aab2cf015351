# Finds the demo's result again from the readings it recorded: milliseconds, busy ticks, all ticks,
# bytes received, bytes sent.

function per(factor, from, to, start, end) {
    return end > start ? factor * (to - from) / (end - start) : 0
}

BEGIN { FS = "," }

{
    time[NR] = $1; busy[NR] = $2; ticks[NR] = $3; received[NR] = $4; sent[NR] = $5
    first = NR - 10
}

first > 0 {
    x = per(100, busy[first], busy[NR], ticks[first], ticks[NR])
    if (x > top_load) top_load = x
    x = per(1000, received[first], received[NR], time[first], time[NR])
    if (x > top_received) top_received = x
    x = per(1000, sent[first], sent[NR], time[first], time[NR])
    if (x > top_sent) top_sent = x
}

END {
    if (!NR) exit
    printf "readings        %d over %.1f s\n", NR, (time[NR] - time[1]) / 1000
    load = per(100, busy[1], busy[NR], ticks[1], ticks[NR])
    printf "processor       %.2f %%, at most %.2f %% in a second\n", load, top_load
    printf "bytes received  %.0f, at most %.1f in a second\n", received[NR] - received[1], top_received
    printf "bytes sent      %.0f, at most %.1f in a second\n", sent[NR] - sent[1], top_sent
}
