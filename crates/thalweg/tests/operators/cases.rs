//! The table of all operators.

use thalweg::ops::{
    Buffer, Keep, Latest, OpenLanes, PartitionOptions, PartitionUniqueOptions, SinkAsync, Step,
    Then, TimedWindowOptions, TimedWindowUniqueOptions, UniqueOptions, Zip, union, zip_bounded,
};
use thalweg::{Element, OpenJoin, Runtime, Stream};

use crate::trial::{Manner, PAUSE, Trial, WORK};

/// Whether an operator has a function that can fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Function {
    None,
    /// It can panic.
    Panics,
    /// It can return an error as well.
    Fails,
}

impl Function {
    pub fn manners(self) -> &'static [Manner] {
        match self {
            Self::None => &[],
            Self::Panics => &[Manner::Panic],
            Self::Fails => &[Manner::Error, Manner::Panic],
        }
    }
}

pub struct Case {
    pub name: &'static str,
    pub function: Function,
    /// Whether an element's emitter goes on before the function is called.
    pub detached: bool,
    /// Elements that are kept until others come, or the drain.
    pub keeps: &'static [i32],
    /// Outputs that are not sent if an output made of element 3 fails on its way and its emitter
    /// is told, because they come after it.
    pub not_sent: &'static [i32],
    pub build: fn(&Stream<i32>, &Trial),
}

const fn case(name: &'static str, function: Function, build: fn(&Stream<i32>, &Trial)) -> Case {
    Case {
        name,
        function,
        detached: false,
        keeps: &[],
        not_sent: &[],
        build,
    }
}

impl Case {
    const fn detached(self) -> Self {
        Self {
            detached: true,
            ..self
        }
    }

    const fn keeps(self, keeps: &'static [i32]) -> Self {
        Self { keeps, ..self }
    }

    const fn not_sent(self, not_sent: &'static [i32]) -> Self {
        Self { not_sent, ..self }
    }
}

/// An operator whose outputs are made of one element each.
fn one(t: &Trial, node: Stream<i32>) {
    some(t, node, |x| vec![x]);
}

/// An operator whose outputs are groups.
fn groups(t: &Trial, node: Stream<Vec<i32>>) {
    t.end(&t.test(node));
}

/// Any other.
fn some<T: Element>(
    t: &Trial,
    node: Stream<T>,
    elements: impl FnMut(T) -> Vec<i32> + Send + 'static,
) {
    t.end(&t.test(node).map(elements));
}

/// A stream for a second inlet, with an element on it.
fn beside<T: Element>(t: &Trial, first: T, build: impl FnOnce(&Stream<T>)) {
    let other = Stream::on(&t.clock);
    build(&other);
    // Whether it is taken depends on time, which has not begun to move.
    drop(other.emit(first));
}

use Function::{Fails, None as NoFunction, Panics};

pub const CASES: &[Case] = &[
    case("map", Panics, |s, t| {
        let f = t.trouble.clone();
        one(t, s.map(move |x| f.pass(x)));
    }),
    case("try_map", Fails, |s, t| {
        let f = t.trouble.clone();
        one(t, s.try_map(move |x| f.check(*x)));
    }),
    case("inspect", Panics, |s, t| {
        let f = t.trouble.clone();
        one(t, s.inspect(move |x| _ = f.pass(*x)));
    }),
    case("filter", Panics, |s, t| {
        let f = t.trouble.clone();
        one(t, s.filter(move |x| f.pass(*x) != 5));
    }),
    case("try_filter", Fails, |s, t| {
        let f = t.trouble.clone();
        one(t, s.try_filter(move |x| f.check(*x).map(|x| x != 5)));
    }),
    case("remove", Panics, |s, t| {
        let f = t.trouble.clone();
        one(t, s.remove(move |x| f.pass(*x) == 5));
    }),
    case("filter_map", Panics, |s, t| {
        let f = t.trouble.clone();
        one(t, s.filter_map(move |x| (f.pass(x) != 5).then_some(x)));
    }),
    case("try_filter_map", Fails, |s, t| {
        let f = t.trouble.clone();
        let node = s.try_filter_map(move |x| f.check(*x).map(|x| (x != 5).then_some(x)));
        one(t, node);
    }),
    case("accumulate", Panics, |s, t| {
        let f = t.trouble.clone();
        one(t, s.accumulate(move |_, x| f.pass(*x)));
    }),
    case("try_accumulate", Fails, |s, t| {
        let f = t.trouble.clone();
        one(t, s.try_accumulate(move |_, x| f.check(*x)));
    }),
    case("scan", Panics, |s, t| {
        let f = t.trouble.clone();
        let node = s.scan((0, 0), move |(count, _), x| (count + 1, f.pass(*x)));
        some(t, node, |(count, x)| vec![x, -count]);
    }),
    case("try_scan", Fails, |s, t| {
        let f = t.trouble.clone();
        let node = s.try_scan((0, 0), move |(count, _), x| {
            Ok::<_, &str>((count + 1, f.check(*x)?))
        });
        some(t, node, |(count, x)| vec![x, -count]);
    }),
    case("stateful_map", Panics, |s, t| {
        let f = t.trouble.clone();
        let node = s.stateful_map(0, move |count, x| (count + 1, (f.pass(*x), *count)));
        some(t, node, |(x, count)| vec![x, -count]);
    }),
    case("try_stateful_map", Fails, |s, t| {
        let f = t.trouble.clone();
        let node = s.try_stateful_map(0, move |count, x| {
            Ok::<_, &str>((count + 1, (f.check(*x)?, *count)))
        });
        some(t, node, |(x, count)| vec![x, -count]);
    }),
    case("stateful_map_with_state", Panics, |s, t| {
        let f = t.trouble.clone();
        let node = s.stateful_map_with_state(0, move |count, x| (count + 1, f.pass(*x)));
        some(t, node, |(count, x)| vec![x, -count]);
    }),
    case("try_stateful_map_with_state", Fails, |s, t| {
        let f = t.trouble.clone();
        let node = s.try_stateful_map_with_state(0, move |count, x| {
            Ok::<_, &str>((count + 1, f.check(*x)?))
        });
        some(t, node, |(count, x)| vec![x, -count]);
    }),
    case("frequencies", NoFunction, |s, t| {
        some(t, s.frequencies(), |counts| {
            counts.into_keys().max().into_iter().collect()
        });
    }),
    case("slice", NoFunction, |s, t| one(t, s.slice(1..9, 2))),
    case("take", NoFunction, |s, t| one(t, s.take(5))),
    case("skip", NoFunction, |s, t| one(t, s.skip(1))),
    case("unique", NoFunction, |s, t| one(t, s.unique())),
    case("unique_by", Panics, |s, t| {
        let f = t.trouble.clone();
        one(t, s.unique_by(move |x| f.pass(*x) % 7));
    }),
    case("unique with options", Fails, |s, t| {
        let f = t.trouble.clone();
        let options = UniqueOptions::new().history(2);
        one(
            t,
            s.apply(options.try_key(move |x| f.check(*x).map(|x| x / 2))),
        );
    }),
    case("flatten", NoFunction, |s, t| {
        one(t, s.map(|x| [x, x + 100]).flatten());
    })
    .not_sent(&[103]),
    case("collect", NoFunction, |s, t| {
        let collected = s.collect();
        groups(t, collected.stream().clone());
        let clock = t.clock.clone();
        t.clock.spawn(Box::pin(async move {
            for x in [4, 8] {
                clock.sleep(PAUSE * x + WORK / 2 - clock.now()).await;
                drop(collected.flush());
            }
        }));
    })
    .keeps(&[9, 10]),
    case("collect_last", NoFunction, |s, t| {
        groups(t, s.collect_last(4).stream().clone());
    })
    .keeps(&[7, 8, 9, 10]),
    case("partition", NoFunction, |s, t| groups(t, s.partition(4))).keeps(&[9, 10]),
    case("partition_by", Panics, |s, t| {
        let f = t.trouble.clone();
        groups(t, s.partition_by(2, move |x| f.pass(*x) % 3));
    })
    .keeps(&[8, 9]),
    case("partition with options", Fails, |s, t| {
        let f = t.trouble.clone();
        let options = PartitionOptions::of(3).timeout("1s");
        groups(
            t,
            s.apply(options.try_key(move |x| f.check(*x).map(|x| x % 2))),
        );
    }),
    case("partition_unique", NoFunction, |s, t| {
        groups(t, s.partition_unique(4));
    })
    .keeps(&[9, 10]),
    case("partition_unique_by", Panics, |s, t| {
        let f = t.trouble.clone();
        groups(t, s.partition_unique_by(2, move |x| f.pass(*x) / 3));
    })
    .keeps(&[10]),
    case("partition_unique with options", Fails, |s, t| {
        let f = t.trouble.clone();
        let options = PartitionUniqueOptions::of(3).keep(Keep::Last);
        groups(
            t,
            s.apply(options.try_key(move |x| f.check(*x).map(|x| x / 2))),
        );
    })
    .keeps(&[9, 10]),
    case("sliding_window", NoFunction, |s, t| {
        groups(t, s.sliding_window(3));
    })
    .keeps(&[9, 10]),
    case("sliding_window_full", NoFunction, |s, t| {
        groups(t, s.sliding_window_full(3));
    })
    .keeps(&[9, 10]),
    case("timed_window", NoFunction, |s, t| {
        groups(t, s.timed_window("1s"));
    }),
    case("timed_window with options", NoFunction, |s, t| {
        groups(t, s.apply(TimedWindowOptions::every("1s").skip_empty()));
    }),
    case("timed_window_unique", NoFunction, |s, t| {
        groups(t, s.timed_window_unique("1s"));
    }),
    case("timed_window_unique with options", Fails, |s, t| {
        let f = t.trouble.clone();
        let options = TimedWindowUniqueOptions::every("1s")
            .keep(Keep::Last)
            .skip_empty();
        groups(
            t,
            s.apply(options.try_key(move |x| f.check(*x).map(|x| x / 2))),
        );
    }),
    case("rate_limit", NoFunction, |s, t| one(t, s.rate_limit("1s"))),
    case("delay", NoFunction, |s, t| one(t, s.delay("1s"))),
    case("shift", NoFunction, |s, t| one(t, s.shift("1s"))),
    case("throttle", NoFunction, |s, t| one(t, s.throttle("500ms"))),
    case("debounce", NoFunction, |s, t| one(t, s.debounce("200ms"))),
    case("sample", NoFunction, |s, t| one(t, s.sample("500ms"))),
    case("buffer", NoFunction, |s, t| one(t, s.buffer(2))),
    case("latest", NoFunction, |s, t| one(t, s.latest())),
    case("buffer, in the next round", NoFunction, |s, t| {
        one(t, s.apply(Buffer::new(2).map(Buffer::in_next_round)));
    }),
    case("latest, in the next round", NoFunction, |s, t| {
        one(t, s.apply(Latest::new().in_next_round()));
    }),
    case("map_async", Panics, |s, t| {
        let (f, clock) = (t.trouble.clone(), t.clock.clone());
        let node = s.map_async(2, move |x| {
            let (f, sleep) = (f.clone(), clock.sleep(WORK * 20));
            async move {
                sleep.await;
                f.pass(x)
            }
        });
        one(t, node);
    })
    .detached(),
    case(
        "map_async, panicking before there is a future",
        Panics,
        |s, t| {
            let (f, clock) = (t.trouble.clone(), t.clock.clone());
            let node = s.map_async(2, move |x| {
                let (x, sleep) = (f.pass(x), clock.sleep(WORK));
                async move {
                    sleep.await;
                    x
                }
            });
            one(t, node);
        },
    )
    .detached(),
    case("try_map_async", Fails, |s, t| {
        let (f, clock) = (t.trouble.clone(), t.clock.clone());
        let node = s.try_map_async(2, move |x| {
            let (f, sleep) = (f.clone(), clock.sleep(WORK * 20));
            async move {
                sleep.await;
                f.check(x)
            }
        });
        one(t, node);
    })
    .detached(),
    case("map_async_unordered", Panics, |s, t| {
        let (f, clock) = (t.trouble.clone(), t.clock.clone());
        let node = s.map_async_unordered(2, move |x| {
            let (f, sleep) = (f.clone(), clock.sleep(WORK));
            async move {
                sleep.await;
                f.pass(x)
            }
        });
        one(t, node);
    })
    .detached(),
    case("try_map_async_unordered", Fails, |s, t| {
        let (f, clock) = (t.trouble.clone(), t.clock.clone());
        let node = s.try_map_async_unordered(2, move |x| {
            let (f, sleep) = (f.clone(), clock.sleep(WORK));
            async move {
                sleep.await;
                f.check(x)
            }
        });
        one(t, node);
    })
    .detached(),
    case("then", Panics, |s, t| {
        let (f, clock) = (t.trouble.clone(), t.clock.clone());
        let node = s.then(move |x| {
            let (f, sleep) = (f.clone(), clock.sleep(WORK * 20));
            async move {
                sleep.await;
                f.pass(x)
            }
        });
        one(t, node);
    }),
    case("try_then", Fails, |s, t| {
        let (f, clock) = (t.trouble.clone(), t.clock.clone());
        let node = s.try_then(move |x| {
            let (f, sleep) = (f.clone(), clock.sleep(WORK));
            async move {
                sleep.await;
                f.check(x)
            }
        });
        one(t, node);
    }),
    case("then, done at once or later", Fails, |s, t| {
        let (f, clock) = (t.trouble.clone(), t.clock.clone());
        let node = Then::new(move |x: &i32| {
            let x = f.check(*x)?;
            if x % 2 == 1 {
                return Ok(Step::Done(Some(x)));
            }
            let sleep = clock.sleep(WORK * 20);
            Ok(Step::Pending(async move {
                sleep.await;
                Ok::<_, &str>((x != 4).then_some(x))
            }))
        });
        one(t, s.apply(node.runtime_on_demand()));
    }),
    case("union", NoFunction, |s, t| {
        beside(t, 0, |other| one(t, union([s, other])));
    }),
    case("zip", NoFunction, |s, t| {
        let other = Stream::on(&t.clock);
        some(t, zip_bounded(20, (s, &other)), |(x, y)| vec![x, y]);
        for y in -10..0 {
            drop(other.emit(y));
        }
    }),
    case("zip, open", NoFunction, |s, t| {
        let other = Stream::on(&t.clock);
        let join = OpenJoin::new(Zip::new(OpenLanes::new(), 20).unwrap(), s);
        join.attach(s).unwrap();
        join.attach(&other).unwrap();
        some(t, join.stream().clone(), |row| row);
        for y in -10..0 {
            drop(other.emit(y));
        }
    }),
    case("combine_latest", NoFunction, |s, t| {
        beside(t, 0, |other| {
            some(t, s.combine_latest(other), |(x, y)| vec![x, y]);
        });
    })
    .keeps(&[10]),
    case("zip_latest", NoFunction, |s, t| {
        beside(t, 0, |other| {
            some(t, s.zip_latest(other), |(x, y)| vec![x, y])
        });
    }),
    case("zip_latest, the latest", NoFunction, |s, t| {
        let even = s.filter(|x| x % 2 == 0);
        some(t, even.zip_latest(s), |(x, y)| vec![x, y]);
    })
    .keeps(&[10]),
    case("sink", Panics, |s, t| {
        let (f, log) = (t.trouble.clone(), t.log.clone());
        end(t, s.sink(move |x| log.sunk(vec![f.pass(x)])));
    }),
    case("try_sink", Fails, |s, t| {
        let (f, log) = (t.trouble.clone(), t.log.clone());
        let sink = s.try_sink(move |x| {
            log.sunk(vec![f.check(*x)?]);
            Ok::<_, &str>(())
        });
        end(t, sink);
    }),
    case("sink_async", Panics, |s, t| {
        let (t1, t2) = (t.clone(), t.clock.clone());
        let sink = s.sink_async(move |x| {
            let (t, sleep) = (t1.clone(), t2.sleep(WORK * 10));
            async move {
                sleep.await;
                t.log.sunk(vec![t.trouble.pass(x)]);
            }
        });
        end(t, sink);
    }),
    case(
        "sink_async, panicking before there is a future",
        Panics,
        |s, t| {
            let trial = t.clone();
            let sink = s.sink_async(move |x| {
                let (x, log) = (trial.trouble.pass(x), trial.log.clone());
                async move { log.sunk(vec![x]) }
            });
            end(t, sink);
        },
    ),
    case("try_sink_async", Fails, |s, t| {
        let trial = t.clone();
        let sink = s.try_sink_async(move |x| {
            let (t, sleep) = (trial.clone(), trial.clock.sleep(WORK));
            async move {
                sleep.await;
                t.log.sunk(vec![t.trouble.check(x)?]);
                Ok::<_, &str>(())
            }
        });
        end(t, sink);
    }),
    case("a sink, done at once or later", Fails, |s, t| {
        let trial = t.clone();
        let sink = SinkAsync::stepwise(move |x: &i32| {
            let (x, t) = (*x, trial.clone());
            if x % 2 == 1 {
                t.log.sunk(vec![t.trouble.check(x)?]);
                return Ok(Step::Done(()));
            }
            let sleep = t.clock.sleep(WORK * 10);
            Ok(Step::Pending(async move {
                sleep.await;
                t.log.sunk(vec![x]);
                Ok::<_, &str>(())
            }))
        });
        end(t, s.apply(sink).into());
    }),
];

/// Gives a sink under test its name and its policy.
fn end(t: &Trial, sink: thalweg::Sink) {
    drop(sink.named("under test").on_error(t.policy.clone()));
}
