//! Counters of a pipeline's nodes, as a table.

use thalweg::view::GraphView;

/// A line for each node: its name, and its counters.
pub(crate) fn of(graph: &GraphView) -> String {
    let names = graph.nodes.iter().map(|node| node.name.chars().count());
    let width = names.max().unwrap_or_default().max("node".len());
    let mut table = format!(
        "{:width$} {:>9} {:>9} {:>7} {:>6} {:>10}",
        "node", "in", "out", "failed", "held", "waited"
    );
    for node in &graph.nodes {
        let counters = &node.counters;
        table += &format!(
            "\n{:width$} {:>9} {:>9} {:>7} {:>6} {:>9.2}s",
            node.name,
            counters.received,
            counters.sent,
            counters.failed,
            counters.held,
            counters.waited.as_secs_f64()
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use thalweg::Stream;

    #[test]
    fn every_node_has_a_line() -> Result<(), thalweg::Error> {
        let source = Stream::new().named("numbers");
        let numbers = source
            .try_map(|text: &&str| text.parse::<u8>())
            .named("größe");
        let set_aside = numbers.errors().named("set aside").sink_to_list();
        numbers.sink(drop).named("end");
        source.emit_many(["1", "two"]).wait()?;
        assert_eq!(set_aside.len(), 1);
        let table = super::of(&source.graph_view());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0],
            "node                in       out  failed   held     waited"
        );
        assert_eq!(
            lines[1],
            "numbers              2         2       0      0      0.00s"
        );
        assert_eq!(
            lines[2],
            "größe                2         1       1      0      0.00s"
        );
        assert_eq!(lines.len(), 6);
        Ok(())
    }
}
