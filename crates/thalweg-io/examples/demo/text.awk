# Finds the demo's result again from the text it read: the sizes of lines, and the numbers in their
# last fields. Run it with LC_ALL=C, so that sizes are bytes.

BEGIN { FS = "[ \t\r,;\"]+" }

{
    size = length($0)
    bytes += size
    if (size > longest) longest = size
    sub(/[ \t\r,;"]+$/, "")
    x = $NF
}

x ~ /^[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?$/ {
    x += 0
    sum += x
    window[n++ % 10] = x
    if (n == 1 || x < least) least = x
    if (n == 1 || x > greatest) greatest = x
    if (n >= 10) {
        ten = 0
        for (i = n; i < n + 10; i++) ten += window[i % 10]
        if (n == 10 || ten > highest) highest = ten
    }
}

END {
    printf "lines           %.0f\n", NR
    printf "bytes           %.0f without line ends, at most %.0f in a line\n", bytes, longest
    printf "numbers         %.0f, and %.0f lines without\n", n, NR - n
    if (n) {
        printf "sum             %.6f\n", sum
        printf "mean            %.6f\n", sum / n
        printf "range           %.6f to %.6f\n", least, greatest
    }
    if (n >= 10) printf "highest mean    %.6f of ten in a row\n", highest / 10
}
