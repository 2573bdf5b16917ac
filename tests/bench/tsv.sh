# Sourced by benches: what their figures come to, and where they go.  Needs $top.

# median FILE [COLUMN]
median() { awk -v c="${2:-1}" '{print $c}' "$1" | sort -n | awk '{v[NR]=$1} END {print NR % 2 ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2}'; }
# bench_tsv WORKLOAD MEASURE OWN PEER PEERS-FIGURE more|less: ratio above 1 when the product is better
bench_tsv() {
	awk -v w="$1" -v m="$2" -v o="$3" -v p="$4" -v t="$5" -v b="$6" 'BEGIN {
		OFS = "\t"; a = b == "more" ? o : t; d = b == "more" ? t : o; print w, m, o, p, t, (d > 0 ? sprintf("%.2f", a / d) : "-")}' >>"$top/bench.tsv"
}
