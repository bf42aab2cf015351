//! Permissions of crawlers, by servers' `robots.txt` (RFC 9309).

mod rules;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::USER_AGENT;
use reqwest::Url;

use self::rules::product;
pub(crate) use self::rules::{MAX_LEN, Rules};
use crate::HttpError;
use crate::web::shown;

/// How long an answer is cached, on the pipeline's clock.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a missing answer is cached.
const AWAY: Duration = Duration::from_secs(60);

/// Maximum number of servers, and bytes of rules, that are remembered; beyond that the oldest are forgotten.
const MANY: usize = 1024;
const MANY_BYTES: usize = 16 * 1024 * 1024;

/// A server's permissions.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// Those of its file; without a file, everything is allowed.
    Rules(Arc<Rules>),
    /// Unknown, for this reason: nothing is allowed.
    Unknown(String),
}

/// Cache of servers.
#[derive(Debug, Default)]
pub(super) struct Robots {
    sites: Mutex<HashMap<Key, Arc<Site>>>,
}

/// A server, and the crawler's name there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    origin: String,
    agent: String,
}

#[derive(Debug, Default)]
struct Site {
    /// Held by the one request that asks the server.
    verdict: tokio::sync::Mutex<Option<(Verdict, Duration)>>,
    /// Time of the answer, and its size.
    known: Mutex<(Duration, usize)>,
}

impl Site {
    fn note(&self, verdict: &mut Option<(Verdict, Duration)>, found: &Verdict, now: Duration) {
        let (holds, size) = match found {
            Verdict::Rules(rules) => (FRESH, rules.size()),
            Verdict::Unknown(_) => (AWAY, 0),
        };
        *verdict = Some((found.clone(), now.saturating_add(holds)));
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = (now, size);
    }
}

impl Key {
    /// The key of a URL; the headers are the request's.
    pub(super) fn new(url: &Url, headers: &HeaderMap) -> Self {
        let agent = headers.get(USER_AGENT).map(|agent| agent.as_bytes());
        let agent = product(agent.unwrap_or(b"thalweg")).to_ascii_lowercase();
        Self {
            origin: url.origin().ascii_serialization(),
            agent: String::from_utf8(agent).unwrap_or_default(),
        }
    }

    /// The rules for this crawler.
    pub(super) fn parse(&self, file: &[u8]) -> Verdict {
        Verdict::Rules(Arc::new(Rules::parse(file, &self.agent)))
    }
}

/// URL of a server's file.
pub(super) fn file_of(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_path("/robots.txt");
    url.set_query(None);
    url.set_fragment(None);
    url
}

impl Robots {
    /// A server's permissions: cached ones, or the result of `ask`. One task asks at a time; the others wait for it.
    pub(super) async fn verdict(
        &self,
        key: &Key,
        now: Duration,
        ask: impl Future<Output = Verdict>,
    ) -> Verdict {
        let site = self.site(key);
        let mut verdict = site.verdict.lock().await;
        if let Some((known, until)) = &*verdict
            && now < *until
        {
            return known.clone();
        }
        let found = ask.await;
        site.note(&mut verdict, &found, now);
        drop(verdict);
        drop(site);
        self.clean();
        found
    }

    /// The same without waiting for others: a server that is being asked is asked again.
    pub(super) async fn verdict_at_once(
        &self,
        key: &Key,
        now: Duration,
        ask: impl Future<Output = Verdict>,
    ) -> Verdict {
        let known = self
            .site(key)
            .verdict
            .try_lock()
            .ok()
            .and_then(|it| it.clone());
        if let Some((known, until)) = known
            && now < until
        {
            return known;
        }
        let found = ask.await;
        let site = self.site(key);
        if let Ok(mut verdict) = site.verdict.try_lock() {
            site.note(&mut verdict, &found, now);
        }
        drop(site);
        self.clean();
        found
    }

    fn site(&self, key: &Key) -> Arc<Site> {
        let mut sites = self.lock();
        if let Some(site) = sites.get(key) {
            return site.clone();
        }
        sites.entry(key.clone()).or_default().clone()
    }

    /// Forgets the oldest if there are too many; not those being asked.
    fn clean(&self) {
        let mut sites = self.lock();
        let known = |site: &Site| *site.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes: usize = sites.values().map(|site| known(site).1).sum();
        if sites.len() <= MANY && bytes <= MANY_BYTES {
            return;
        }
        let mut oldest: Vec<_> = sites
            .iter()
            .filter(|(_, site)| Arc::strong_count(site) == 1)
            .map(|(key, site)| (known(site), key.clone()))
            .collect();
        oldest.sort_by_key(|((at, _), _)| *at);
        for ((_, size), key) in oldest {
            // A quarter is dropped, so that this is rare.
            if sites.len() <= MANY - MANY / 4 && bytes <= MANY_BYTES - MANY_BYTES / 4 {
                break;
            }
            sites.remove(&key);
            bytes -= size;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Site>>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verdict {
    /// # Errors
    /// The URL is disallowed.
    pub(super) fn check(&self, url: &Url, key: &Key) -> Result<(), HttpError> {
        let refused = |reason| HttpError::Robots {
            url: shown(url),
            reason,
        };
        match self {
            Self::Rules(rules) => {
                let forbidding = match url.query() {
                    Some(query) => rules.forbidding(&format!("{}?{query}", url.path())),
                    None => rules.forbidding(url.path()),
                };
                match forbidding {
                    Some(rule) => Err(refused(format!("says {rule:?} to {:?}", key.agent))),
                    None => Ok(()),
                }
            }
            Self::Unknown(reason) => Err(refused(format!("cannot be read: {reason}"))),
        }
    }

    /// The pause between two requests to the server.
    pub(super) fn delay(&self) -> Duration {
        match self {
            Self::Rules(rules) => rules.delay().unwrap_or_default(),
            Self::Unknown(_) => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use pollster::block_on;

    use super::*;

    fn key(number: usize) -> Key {
        Key {
            origin: number.to_string(),
            agent: "thalweg".to_owned(),
        }
    }

    #[test]
    fn old_answers_are_refreshed_and_the_oldest_are_evicted() {
        let robots = Robots::default();
        let asked = |number: usize, now: Duration| {
            let mut was_asked = false;
            block_on(robots.verdict(&key(number), now, async {
                was_asked = true;
                key(number).parse(b"User-agent: *\nDisallow: /")
            }));
            was_asked
        };
        assert!(asked(0, Duration::ZERO));
        assert!(!asked(0, FRESH - Duration::from_secs(1)));
        assert!(asked(0, FRESH));
        for number in 1..=MANY {
            assert!(asked(number, FRESH + Duration::from_secs(1)));
        }
        assert!(robots.lock().len() <= MANY);
        assert!(asked(0, FRESH + Duration::from_secs(1)));
    }

    #[test]
    fn an_unreachable_server_is_asked_again_soon() {
        let robots = Robots::default();
        let away = || async { Verdict::Unknown("away".to_owned()) };
        block_on(robots.verdict(&key(0), Duration::ZERO, away()));
        let verdict = block_on(robots.verdict(&key(0), AWAY / 2, async { key(0).parse(b"") }));
        assert!(matches!(verdict, Verdict::Unknown(_)));
        let verdict = block_on(robots.verdict(&key(0), AWAY, async { key(0).parse(b"") }));
        assert!(matches!(verdict, Verdict::Rules(_)));
    }

    #[test]
    fn large_files_are_evicted_sooner() {
        let robots = Robots::default();
        let long = format!("User-agent: *\nDisallow: /{}", "x".repeat(MAX_LEN - 100));
        for number in 0..100 {
            let parsed = async { key(number).parse(long.as_bytes()) };
            block_on(robots.verdict(&key(number), Duration::ZERO, parsed));
        }
        assert!(robots.lock().len() <= MANY_BYTES / MAX_LEN + 1);
    }

    #[test]
    fn the_crawler_name_is_the_start_of_the_user_agent() {
        let url = Url::parse("http://user:secret@localhost:80/a?b").unwrap_or_else(|_| panic!());
        let mut headers = HeaderMap::new();
        assert_eq!(Key::new(&url, &headers).agent, "thalweg");
        headers.insert(
            USER_AGENT,
            http::HeaderValue::from_static("River-Bot/1.2 (+x)"),
        );
        let key = Key::new(&url, &headers);
        assert_eq!(
            (&*key.agent, &*key.origin),
            ("river-bot", "http://localhost")
        );
    }
}
