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

#[test]
fn a_pipeline_that_is_dropped_gives_up_what_it_keeps() {
    each(|case| {
        println!("{}", case.name);
        let trial = Trial {
            drains: false,
            ..Trial::new()
        };
        let report = trial.run(None, case.build);
        report.check_acks(ELEMENTS, case.keeps, trial.sink);
    });
}

#[test]
fn a_token_waits_for_every_branch() {
    let trial = Trial::new();
    let slow = Trial {
        sink: Sink::BehindBuffer,
        ..trial.clone()
    };
    let report = trial.run(None, |source, trial| {
        trial.end(&trial.test(source.map(|x| vec![x])));
        slow.end(&source.shift("2s").map(|x| vec![x]));
    });
    assert_eq!(report.outputs().len(), 20);
    report.check_acks(ELEMENTS, &[], Sink::Function);
}
