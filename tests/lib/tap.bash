# tap.bash - several TAP reports, one after the other, as one.

# tap_join <REPORTS: numbers results anew, drops their plans, ends with one; fails where a test did.
tap_join() {
    awk '
        /^1\.\.[0-9]+$/ { next }
        /^(not )?ok( [0-9]+)? / {
            if ($1 == "not") failed = 1
            word = $1 == "not" ? "not ok" : "ok"
            sub(/^(not )?ok( [0-9]+)? /, "")
            print word " " ++n " " $0
            next
        }
        { print /^#/ ? $0 : "# " $0 }
        END { print "1.." n; exit failed || n == 0 }'
}
