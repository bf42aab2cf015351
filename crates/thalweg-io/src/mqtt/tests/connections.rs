//! Connections that break at awkward moments.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::*;

/// Reads this many texts over breaking connections.
fn read_through(port: u16, count: usize) -> Result<Vec<String>, Box<dyn Error>> {
    let mqtt = Mqtt::new("127.0.0.1", port, "numbers").client_id("reader");
    let messages = Stream::from_mqtt(mqtt.wait(Duration::from_millis(1)));
    messages.errors().sink(drop);
    let list = messages.map(|message| text(&message)).sink_to_list();
    runtime().block_on(async {
        messages.start()?;
        let arrived = async {
            while list.len() < count {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(30), arrived).await?;
        messages.drain("30s").await?;
        Ok(list.to_vec())
    })
}

#[test]
fn a_forgotten_subscription_is_renewed_over_the_next_connection() -> Tested {
    let (port, served) = peer::serve(|mut peer| {
        peer.accept_subscriber();
        // The broker has forgotten the client, and this connection breaks before its subscription is confirmed.
        drop(peer.next_connection());
        peer.accept();
        let _ = peer.subscription();
        drop(peer.next_connection());
        // Now it remembers the client, but no subscription.
        peer.accept_again();
        let subscription = peer.subscription();
        peer.confirm(subscription);
        peer.publish("numbers", 1, "one");
        peer.finish();
    })?;
    assert_eq!(read_through(port, 1)?, ["one"]);
    served.join().expect("it subscribes three times");
    Ok(())
}

#[test]
fn a_remembered_subscription_is_not_renewed() -> Tested {
    let (port, served) = peer::serve(|mut peer| {
        peer.accept_subscriber();
        peer.publish("numbers", 1, "one");
        assert_eq!(peer.acknowledged(), 1);
        drop(peer.next_connection());
        peer.accept_again();
        peer.publish("numbers", 2, "two");
        // Without a preceding subscription.
        assert_eq!(peer.acknowledged(), 2);
        peer.finish();
    })?;
    assert_eq!(read_through(port, 2)?, ["one", "two"]);
    served.join().expect("it subscribes once");
    Ok(())
}

#[test]
fn messages_arriving_with_the_end_of_a_connection_are_delivered() -> Tested {
    let (port, served) = peer::serve(|mut peer| {
        peer.accept_subscriber();
        for (number, text) in (1..).zip(["one", "two", "three"]) {
            peer.publish("numbers", number, text);
        }
        let ended = peer.next_connection();
        peer.accept_again();
        drop(ended);
        peer.finish();
    })?;
    assert_eq!(read_through(port, 3)?, ["one", "two", "three"]);
    served.join().expect("it connects again");
    Ok(())
}

#[test]
fn a_late_acknowledgement_is_not_sent_over_the_next_connection() -> Tested {
    let (gate, opened) = watch::channel(0);
    let done = Arc::new(AtomicUsize::new(0));
    let counted = done.clone();
    let (port, served) = peer::serve(move |mut peer| {
        peer.accept_subscriber();
        peer.publish("numbers", 1, "one");
        drop(peer.next_connection());
        // It is done between two connections.
        gate.send_replace(1);
        while counted.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        peer.accept_again();
        // Another message has its packet's id.
        peer.publish("numbers", 1, "two");
        peer.publish("numbers", 2, "three");
        let first = peer.acknowledged();
        gate.send_replace(2);
        let second = peer.acknowledged();
        peer.finish();
        [first, second]
    })?;
    runtime().block_on(async {
        let mqtt = Mqtt::new("127.0.0.1", port, "numbers").client_id("reader");
        let messages = Stream::from_mqtt(mqtt.wait(Duration::from_millis(1)));
        messages.errors().sink(drop);
        let held = messages.map_async_unordered(3, move |message: MqttMessage| {
            let mut opened = opened.clone();
            async move {
                let needed = match text(&message).as_str() {
                    "one" => 1,
                    "two" => 2,
                    _ => 0,
                };
                drop(opened.wait_for(|gate| *gate >= needed).await);
            }
        });
        let finished = done.clone();
        held.sink(move |()| {
            finished.fetch_add(1, Ordering::SeqCst);
        });
        messages.start()?;
        while done.load(Ordering::SeqCst) < 3 {
            sleep(Duration::from_millis(1)).await;
        }
        messages.drain("30s").await?;
        Ok::<(), Box<dyn Error>>(())
    })?;
    assert_eq!(served.join().expect("it serves"), [2, 1]);
    Ok(())
}
