//! The table of all operators.

use thalweg::ops::{
    Batch, Buffer, Keep, Latest, OpenLanes, PartitionOptions, PartitionUniqueOptions, SinkAsync,
    Step, Then, TimedWindowOptions, TimedWindowUniqueOptions, UniqueOptions, Zip, union,
    zip_bounded,
};
use thalweg::{Element, OpenJoin, Runtime, Stream};

use thalweg::testing::{Case, PAUSE, Trial, WORK};

/// A stream for a second inlet, with one element emitted.
fn beside<T: Element>(t: &Trial, first: T, build: impl FnOnce(&Stream<T>)) {
    let other = Stream::on(&t.clock);
    build(&other);
    // Whether it is accepted depends on time, which stands still.
    drop(other.emit(first));
}

/// A case for each operator, and for each form that may treat elements differently.
pub(crate) fn all() -> Vec<Case> {
    vec![
        Case::new("map", |s, t| {
            let f = t.trouble.clone();
            t.singles(s.map(move |x| f.pass(x)));
        })
        .panics(),
        Case::new("try_map", |s, t| {
            let f = t.trouble.clone();
            t.singles(s.try_map(move |x| f.check(*x)));
        })
        .fails(),
        Case::new("inspect", |s, t| {
            let f = t.trouble.clone();
            t.singles(s.inspect(move |x| _ = f.pass(*x)));
        })
        .panics(),
        Case::new("filter", |s, t| {
            let f = t.trouble.clone();
            t.singles(s.filter(move |x| f.pass(*x) != 5));
        })
        .panics(),
        Case::new("try_filter", |s, t| {
            let f = t.trouble.clone();
            t.singles(s.try_filter(move |x| f.check(*x).map(|x| x != 5)));
        })
        .fails(),
        Case::new("remove", |s, t| {
            let f = t.trouble.clone();
            t.singles(s.remove(move |x| f.pass(*x) == 5));
        })
        .panics(),
        Case::new("filter_map", |s, t| {
            let f = t.trouble.clone();
            t.singles(s.filter_map(move |x| (f.pass(x) != 5).then_some(x)));
        })
        .panics(),
        Case::new("try_filter_map", |s, t| {
            let f = t.trouble.clone();
            let node = s.try_filter_map(move |x| f.check(*x).map(|x| (x != 5).then_some(x)));
            t.singles(node);
        })
        .fails(),
        Case::new("accumulate", |s, t| {
            let f = t.trouble.clone();
            t.singles(s.accumulate(move |_, x| f.pass(*x)));
        })
        .panics(),
        Case::new("try_accumulate", |s, t| {
            let f = t.trouble.clone();
            t.singles(s.try_accumulate(move |_, x| f.check(*x)));
        })
        .fails(),
        Case::new("scan", |s, t| {
            let f = t.trouble.clone();
            let node = s.scan((0, 0), move |(count, _), x| (count + 1, f.pass(*x)));
            t.outputs(node, |(count, x)| vec![x, -count]);
        })
        .panics(),
        Case::new("try_scan", |s, t| {
            let f = t.trouble.clone();
            let node = s.try_scan((0, 0), move |(count, _), x| {
                Ok::<_, &str>((count + 1, f.check(*x)?))
            });
            t.outputs(node, |(count, x)| vec![x, -count]);
        })
        .fails(),
        Case::new("stateful_map", |s, t| {
            let f = t.trouble.clone();
            let node = s.stateful_map(0, move |count, x| (count + 1, (f.pass(*x), *count)));
            t.outputs(node, |(x, count)| vec![x, -count]);
        })
        .panics(),
        Case::new("try_stateful_map", |s, t| {
            let f = t.trouble.clone();
            let node = s.try_stateful_map(0, move |count, x| {
                Ok::<_, &str>((count + 1, (f.check(*x)?, *count)))
            });
            t.outputs(node, |(x, count)| vec![x, -count]);
        })
        .fails(),
        Case::new("stateful_map_with_state", |s, t| {
            let f = t.trouble.clone();
            let node = s.stateful_map_with_state(0, move |count, x| (count + 1, f.pass(*x)));
            t.outputs(node, |(count, x)| vec![x, -count]);
        })
        .panics(),
        Case::new("try_stateful_map_with_state", |s, t| {
            let f = t.trouble.clone();
            let node = s.try_stateful_map_with_state(0, move |count, x| {
                Ok::<_, &str>((count + 1, f.check(*x)?))
            });
            t.outputs(node, |(count, x)| vec![x, -count]);
        })
        .fails(),
        Case::new("frequencies", |s, t| {
            t.outputs(s.frequencies(), |counts| {
                counts.into_keys().max().into_iter().collect()
            });
        }),
        Case::new("slice", |s, t| t.singles(s.slice(1..9, 2))),
        Case::new("take", |s, t| t.singles(s.take(5))),
        Case::new("skip", |s, t| t.singles(s.skip(1))),
        Case::new("unique", |s, t| t.singles(s.unique())),
        Case::new("unique_by", |s, t| {
            let f = t.trouble.clone();
            t.singles(s.unique_by(move |x| f.pass(*x) % 7));
        })
        .panics(),
        Case::new("unique with options", |s, t| {
            let f = t.trouble.clone();
            let options = UniqueOptions::new().history(2);
            t.singles(s.apply(options.try_key(move |x| f.check(*x).map(|x| x / 2))));
        })
        .fails(),
        Case::new("flatten", |s, t| {
            t.singles(s.map(|x| [x, x + 100]).flatten());
        })
        .not_sent([103]),
        Case::new("collect", |s, t| {
            let collected = s.collect();
            t.groups(collected.stream().clone());
            let clock = t.clock.clone();
            t.clock.spawn(Box::pin(async move {
                for x in [4, 8] {
                    clock.sleep(PAUSE * x + WORK / 2 - clock.now()).await;
                    drop(collected.flush());
                }
            }));
        })
        .keeps([9, 10]),
        Case::new("collect_last", |s, t| {
            t.groups(s.collect_last(4).stream().clone());
        })
        .keeps([7, 8, 9, 10]),
        Case::new("partition", |s, t| t.groups(s.partition(4))).keeps([9, 10]),
        Case::new("partition_by", |s, t| {
            let f = t.trouble.clone();
            t.groups(s.partition_by(2, move |x| f.pass(*x) % 3));
        })
        .panics()
        .keeps([8, 9]),
        Case::new("partition with options", |s, t| {
            let f = t.trouble.clone();
            let options = PartitionOptions::of(3).timeout("1s");
            t.groups(s.apply(options.try_key(move |x| f.check(*x).map(|x| x % 2))));
        })
        .fails(),
        Case::new("partition_unique", |s, t| {
            t.groups(s.partition_unique(4));
        })
        .keeps([9, 10]),
        Case::new("partition_unique_by", |s, t| {
            let f = t.trouble.clone();
            t.groups(s.partition_unique_by(2, move |x| f.pass(*x) / 3));
        })
        .panics()
        .keeps([10]),
        Case::new("partition_unique with options", |s, t| {
            let f = t.trouble.clone();
            let options = PartitionUniqueOptions::of(3).keep(Keep::Last);
            t.groups(s.apply(options.try_key(move |x| f.check(*x).map(|x| x / 2))));
        })
        .fails()
        .keeps([9, 10]),
        Case::new("sliding_window", |s, t| {
            t.groups(s.sliding_window(3));
        })
        .keeps([9, 10]),
        Case::new("sliding_window_full", |s, t| {
            t.groups(s.sliding_window_full(3));
        })
        .keeps([9, 10]),
        Case::new("timed_window", |s, t| {
            t.groups(s.timed_window("1s"));
        }),
        Case::new("timed_window with options", |s, t| {
            t.groups(s.apply(TimedWindowOptions::every("1s").skip_empty()));
        }),
        Case::new("timed_window_unique", |s, t| {
            t.groups(s.timed_window_unique("1s"));
        }),
        Case::new("timed_window_unique with options", |s, t| {
            let f = t.trouble.clone();
            let options = TimedWindowUniqueOptions::every("1s")
                .keep(Keep::Last)
                .skip_empty();
            t.groups(s.apply(options.try_key(move |x| f.check(*x).map(|x| x / 2))));
        })
        .fails(),
        Case::new("rate_limit", |s, t| t.singles(s.rate_limit("1s"))),
        Case::new("delay", |s, t| t.singles(s.delay("1s"))),
        Case::new("shift", |s, t| t.singles(s.shift("1s"))),
        Case::new("throttle", |s, t| t.singles(s.throttle("500ms"))),
        Case::new("debounce", |s, t| t.singles(s.debounce("200ms"))),
        Case::new("sample", |s, t| t.singles(s.sample("500ms"))),
        Case::new("buffer", |s, t| t.singles(s.buffer(2))),
        Case::new("latest", |s, t| t.singles(s.latest())),
        Case::new("buffer, in the next round", |s, t| {
            t.singles(s.apply(Buffer::new(2).map(Buffer::in_next_round)));
        }),
        Case::new("latest, in the next round", |s, t| {
            t.singles(s.apply(Latest::new().in_next_round()));
        }),
        Case::new("map_async", |s, t| {
            let (f, clock) = (t.trouble.clone(), t.clock.clone());
            let node = s.map_async(2, move |x| {
                let (f, sleep) = (f.clone(), clock.sleep(WORK * 20));
                async move {
                    sleep.await;
                    f.pass(x)
                }
            });
            t.singles(node);
        })
        .panics()
        .detached(),
        Case::new("map_async, panicking before there is a future", |s, t| {
            let (f, clock) = (t.trouble.clone(), t.clock.clone());
            let node = s.map_async(2, move |x| {
                let (x, sleep) = (f.pass(x), clock.sleep(WORK));
                async move {
                    sleep.await;
                    x
                }
            });
            t.singles(node);
        })
        .panics()
        .detached(),
        Case::new("try_map_async", |s, t| {
            let (f, clock) = (t.trouble.clone(), t.clock.clone());
            let node = s.try_map_async(2, move |x| {
                let (f, sleep) = (f.clone(), clock.sleep(WORK * 20));
                async move {
                    sleep.await;
                    f.check(x)
                }
            });
            t.singles(node);
        })
        .fails()
        .detached(),
        Case::new("map_async_unordered", |s, t| {
            let (f, clock) = (t.trouble.clone(), t.clock.clone());
            let node = s.map_async_unordered(2, move |x| {
                let (f, sleep) = (f.clone(), clock.sleep(WORK));
                async move {
                    sleep.await;
                    f.pass(x)
                }
            });
            t.singles(node);
        })
        .panics()
        .detached(),
        Case::new("try_map_async_unordered", |s, t| {
            let (f, clock) = (t.trouble.clone(), t.clock.clone());
            let node = s.try_map_async_unordered(2, move |x| {
                let (f, sleep) = (f.clone(), clock.sleep(WORK));
                async move {
                    sleep.await;
                    f.check(x)
                }
            });
            t.singles(node);
        })
        .fails()
        .detached(),
        Case::new("then", |s, t| {
            let (f, clock) = (t.trouble.clone(), t.clock.clone());
            let node = s.then(move |x| {
                let (f, sleep) = (f.clone(), clock.sleep(WORK * 20));
                async move {
                    sleep.await;
                    f.pass(x)
                }
            });
            t.singles(node);
        })
        .panics(),
        Case::new("try_then", |s, t| {
            let (f, clock) = (t.trouble.clone(), t.clock.clone());
            let node = s.try_then(move |x| {
                let (f, sleep) = (f.clone(), clock.sleep(WORK));
                async move {
                    sleep.await;
                    f.check(x)
                }
            });
            t.singles(node);
        })
        .fails(),
        Case::new("then, done at once or later", |s, t| {
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
            t.singles(s.apply(node.runtime_on_demand()));
        })
        .fails(),
        Case::new("union", |s, t| {
            beside(t, 0, |other| t.singles(union([s, other])));
        }),
        Case::new("zip", |s, t| {
            let other = Stream::on(&t.clock);
            t.outputs(zip_bounded(20, (s, &other)), |(x, y)| vec![x, y]);
            for y in -10..0 {
                drop(other.emit(y));
            }
        }),
        Case::new("zip, open", |s, t| {
            let other = Stream::on(&t.clock);
            let join = OpenJoin::new(Zip::new(OpenLanes::new(), 20).unwrap(), s);
            join.attach(s).unwrap();
            join.attach(&other).unwrap();
            t.outputs(join.stream().clone(), |row| row);
            for y in -10..0 {
                drop(other.emit(y));
            }
        }),
        Case::new("combine_latest", |s, t| {
            beside(t, 0, |other| {
                t.outputs(s.combine_latest(other), |(x, y)| vec![x, y]);
            });
        })
        .keeps([10]),
        Case::new("zip_latest", |s, t| {
            beside(t, 0, |other| {
                t.outputs(s.zip_latest(other), |(x, y)| vec![x, y])
            });
        }),
        Case::new("zip_latest, the latest", |s, t| {
            let even = s.filter(|x| x % 2 == 0);
            t.outputs(even.zip_latest(s), |(x, y)| vec![x, y]);
        })
        .keeps([10]),
        Case::new("sink", |s, t| {
            let (f, log) = (t.trouble.clone(), t.log.clone());
            t.sink(s.sink(move |x| log.sunk(vec![f.pass(x)])));
        })
        .panics(),
        Case::new("try_sink", |s, t| {
            let (f, log) = (t.trouble.clone(), t.log.clone());
            let sink = s.try_sink(move |x| {
                log.sunk(vec![f.check(*x)?]);
                Ok::<_, &str>(())
            });
            t.sink(sink);
        })
        .fails(),
        Case::new("sink_async", |s, t| {
            let (t1, t2) = (t.clone(), t.clock.clone());
            let sink = s.sink_async(move |x| {
                let (t, sleep) = (t1.clone(), t2.sleep(WORK * 10));
                async move {
                    sleep.await;
                    t.log.sunk(vec![t.trouble.pass(x)]);
                }
            });
            t.sink(sink);
        })
        .panics(),
        Case::new("sink_async, panicking before there is a future", |s, t| {
            let trial = t.clone();
            let sink = s.sink_async(move |x| {
                let (x, log) = (trial.trouble.pass(x), trial.log.clone());
                async move { log.sunk(vec![x]) }
            });
            t.sink(sink);
        })
        .panics(),
        Case::new("try_sink_async", |s, t| {
            let trial = t.clone();
            let sink = s.try_sink_async(move |x| {
                let (t, sleep) = (trial.clone(), trial.clock.sleep(WORK));
                async move {
                    sleep.await;
                    t.log.sunk(vec![t.trouble.check(x)?]);
                    Ok::<_, &str>(())
                }
            });
            t.sink(sink);
        })
        .fails(),
        Case::new("a sink, done at once or later", |s, t| {
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
            t.sink(s.apply(sink).into());
        })
        .fails(),
        // Element 3 is alone in its batch; those after element 4 are batched.
        Case::new("sink_batches", |s, t| {
            let trial = t.clone();
            let sink = s.sink_batches(move |batch: Batch<i32>| {
                let t = trial.clone();
                async move {
                    t.clock
                        .sleep(if batch[0] == 4 { WORK * 10 } else { WORK })
                        .await;
                    let checked = batch.iter().map(|x| t.trouble.check(*x));
                    for x in checked.collect::<Result<Vec<_>, _>>()? {
                        t.log.sunk(vec![x]);
                    }
                    Ok::<_, &str>(())
                }
            });
            t.sink(sink);
        })
        .fails()
        .detached(),
    ]
}
