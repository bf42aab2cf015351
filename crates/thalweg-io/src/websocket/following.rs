//! Reading the messages of a server.

use super::socket::Ended;
use super::source::Room;
use super::{WebSocketClient, WebSocketError};

/// Reads until the source no longer takes messages, or the server refuses.
pub(super) async fn follow(client: WebSocketClient, out: Room) {
    let mut failures = 0;
    loop {
        let problem = match client.connect().await {
            Ok(mut socket) => loop {
                match socket.next().await {
                    Ok(message) => {
                        failures = 0;
                        if !out.send(message).await {
                            return;
                        }
                    }
                    Err(Ended::Closed) if !client.reconnects => return,
                    Err(Ended::Closed) => break "the server has closed it".to_string(),
                    Err(Ended::Broken(problem)) => break problem,
                }
            },
            Err(refused) if refused.is_for_good => {
                let error = WebSocketError::Connect {
                    url: client.shown(),
                    attempts: failures + 1,
                    source: refused.source,
                };
                out.report(error).await;
                return;
            }
            Err(refused) => refused.source.to_string(),
        };
        failures += 1;
        let url = client.shown();
        if !out.report(WebSocketError::Lost { url, problem }).await {
            return;
        }
        client.pause(failures).await;
    }
}
