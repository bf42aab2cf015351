//! TLS connections.

use thalweg::Stream;

use super::{Mosquitto, Tested, VERSIONS, peer, runtime, text};
use crate::prelude::*;
use crate::tcp::TlsFiles;
use crate::testing::tls::{Authority, TlsFront};
use crate::{Mqtt, MqttError};

/// The first message, acknowledged.
fn first(mqtt: Mqtt) -> Result<String, Box<dyn std::error::Error>> {
    let runtime = runtime();
    runtime.block_on(async {
        let messages = Stream::from_mqtt(mqtt);
        let list = messages.map(|message| text(&message)).sink_to_list();
        messages.start()?;
        while list.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        messages.drain("30s").await?;
        Ok(list.to_vec().swap_remove(0))
    })
}

/// Error text of a source's end.
fn end(mqtt: Mqtt) -> String {
    let ended = runtime().block_on(async { Stream::from_mqtt(mqtt).run("30s").await });
    ended.expect_err("it is refused").to_string()
}

#[test]
fn messages_arrive_over_tls_from_a_trusted_broker() -> Tested {
    let authority = Authority::new()?;
    let (certificate, key) = authority.certificate("localhost")?;
    let (own, own_key) = authority.certificate("client")?;
    let files = TlsFiles::new(certificate, key).clients(authority.path());
    let (port, served) = peer::serve(|mut peer| {
        peer.accept_subscriber();
        peer.publish("numbers", 7, "seven");
        assert_eq!(peer.acknowledged(), 7);
        peer.finish();
    })?;
    let front = TlsFront::start(files.acceptor(&[])?, port)?;
    let mqtt = Mqtt::new("mqtts://localhost", front.port(), "numbers");
    let mqtt = mqtt.authorities(authority.path()).identity(own, own_key);
    assert_eq!(first(mqtt)?, "seven");
    served.join().expect("it serves");
    Ok(())
}

#[test]
fn a_rejected_certificate_ends_the_source_and_fails_the_sink_at_once() -> Tested {
    let (authority, other) = (Authority::new()?, Authority::new()?);
    let serve = |host: &str| {
        let (certificate, key) = authority.certificate(host)?;
        let files = TlsFiles::new(certificate, key);
        // No connection reaches the server.
        let front = TlsFront::start(files.acceptor(&[])?, 1)?;
        Ok::<_, Box<dyn std::error::Error>>(front)
    };
    let fits = serve("localhost")?;
    let is_elsewhere = serve("elsewhere")?;
    for (front, authority, problem) in [
        (&fits, other.path(), "UnknownIssuer"),
        (&is_elsewhere, authority.path(), "not valid for name"),
    ] {
        for version in VERSIONS {
            let port = front.port();
            let mqtt = Mqtt::new("localhost", port, "numbers").authorities(&authority);
            let mqtt = mqtt.version(version);
            let error = end(mqtt.clone());
            let named = format!("MQTT at localhost:{port}, topic `numbers`: ");
            assert!(error.contains(&named), "{error}");
            assert!(error.contains(problem), "{error}");
            assert!(error.contains("check the server's certificate"), "{error}");

            let error = runtime().block_on(async {
                let source = Stream::new();
                source.to_mqtt(mqtt);
                source.emit("1").await.expect("there is room");
                source.drain("30s").await.expect_err("it is not sent")
            });
            let error = error.to_string();
            assert!(error.contains("tried 1 times"), "{error}");
            assert!(error.contains("check the server's certificate"), "{error}");
        }
    }
    Ok(())
}

#[test]
fn a_client_without_the_required_certificate_ends() -> Tested {
    let authority = Authority::new()?;
    let (certificate, key) = authority.certificate("localhost")?;
    let files = TlsFiles::new(certificate, key).clients(authority.path());
    let front = TlsFront::start(files.acceptor(&[])?, 1)?;
    let mqtt = Mqtt::new("localhost", front.port(), "numbers").authorities(authority.path());
    let error = end(mqtt);
    assert!(error.contains("CertificateRequired"), "{error}");
    assert!(
        error.contains("accepts the client's certificate"),
        "{error}"
    );
    Ok(())
}

#[test]
fn missing_files_are_named_before_anything_is_sent() {
    let mqtt = Mqtt::new("mqtts://broker", 8883, "numbers").authorities("/no/file");
    let error = mqtt.check().expect_err("there is no such file");
    assert!(matches!(error, MqttError::Invalid { .. }));
    let error = error.to_string();
    assert!(
        error.starts_with("MQTT at broker:8883: TLS: /no/file: "),
        "{error}"
    );
}

#[test]
fn a_real_broker_is_read_and_written_over_tls() -> Tested {
    let Some(broker) = Mosquitto::start()? else {
        return Ok(());
    };
    let authority = Authority::new()?;
    let (certificate, key) = authority.certificate("localhost")?;
    let files = TlsFiles::new(certificate, key);
    let front = TlsFront::start(files.acceptor(&[])?, broker.port())?;
    for version in VERSIONS {
        let mqtt = Mqtt::new("localhost", front.port(), "rivers").version(version);
        let mqtt = mqtt.authorities(authority.path()).retain(true);
        runtime().block_on(async {
            let source = Stream::new();
            source.to_mqtt(mqtt.clone());
            source.emit("Main").await?;
            source.drain("30s").await
        })?;
        assert_eq!(first(mqtt)?, "Main");
    }
    Ok(())
}
