use crate::policies::each;
use crate::trial::{ELEMENTS, Sink, Trial};

#[test]
fn a_token_fires_once_and_not_before_everything_made_of_its_element_is_sunk() {
    each(|case| {
        for sink in Sink::ALL {
            println!("{} {sink:?}", case.name);
            let trial = Trial {
                sink,
                ..Trial::new()
            };
            let report = trial.run(None, case.build);
            report.drained.as_ref().unwrap();
            report.check_acks(ELEMENTS, &[], sink);
            let mut kept = case.keeps.to_vec();
            kept.sort_unstable();
            assert_eq!(report.unacked_before_drain(), kept, "kept until the drain");
        }
    });
}
