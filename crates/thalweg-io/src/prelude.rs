//! The methods that these sources and sinks add to [`Stream`](thalweg::Stream), all at once.
//!
//! ```
//! use thalweg::Stream;
//! use thalweg_io::prelude::*;
//!
//! # let dir = tempfile::tempdir()?;
//! # let (readings, copy) = (dir.path().join("readings.csv"), dir.path().join("copy.csv"));
//! let lines = Stream::from_textfile(&readings);
//! lines.sink_to_textfile(&copy);
//! # lines.check()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "dead-letters")]
pub use crate::dead_letters::{FromDeadLetters as _, ToDeadLetters as _};
#[cfg(feature = "http-client")]
pub use crate::fetch::{FetchUrls as _, ToHttp as _};
#[cfg(feature = "filenames")]
pub use crate::filenames::FromFilenames as _;
#[cfg(feature = "csv")]
pub use crate::files::{FromCsv as _, ToCsv as _};
#[cfg(feature = "files")]
pub use crate::files::{FromJsonl as _, FromRecords as _, ToFiles as _, ToJsonl as _};
#[cfg(feature = "parquet")]
pub use crate::files::{FromParquet as _, ToParquet as _};
#[cfg(feature = "http-client")]
pub use crate::http_client::{FromHttpLines as _, FromHttpPoll as _};
#[cfg(feature = "http-server")]
pub use crate::http_server::{FromHttpRequests as _, FromHttpServer as _, Respond as _};
#[cfg(feature = "kafka")]
pub use crate::kafka::{FromKafka as _, FromKafkaBatches as _, ToKafka as _};
#[cfg(feature = "mongodb")]
pub use crate::mongodb::{FromMongoDb as _, ToMongoDb as _};
#[cfg(feature = "mqtt")]
pub use crate::mqtt::{FromMqtt as _, ToMqtt as _};
#[cfg(feature = "nats")]
pub use crate::nats::{FromNats as _, ToNats as _};
#[cfg(feature = "process")]
pub use crate::process::FromProcess as _;
#[cfg(feature = "reader")]
pub use crate::reader::FromReader as _;
#[cfg(feature = "redis")]
pub use crate::redis::{FromRedisList as _, FromRedisStream as _, ToRedis as _};
#[cfg(all(feature = "remote", feature = "parquet"))]
pub use crate::remote::FromUrlParquet as _;
#[cfg(feature = "remote")]
pub use crate::remote::{FromUrl as _, ReadUrls as _, WriteUrls as _};
#[cfg(feature = "schedule")]
pub use crate::schedule::FromSchedule as _;
#[cfg(feature = "sql")]
pub use crate::sql::{FromSql as _, ToSql as _};
#[cfg(feature = "sse")]
pub use crate::sse::FromSse as _;
#[cfg(feature = "reader")]
pub use crate::stdin::FromStdin as _;
#[cfg(feature = "tcp")]
pub use crate::tcp::{FromTcp as _, ToTcp as _};
#[cfg(feature = "textfile")]
pub use crate::textfile::{FromTextFile as _, SinkToTextFile as _};
#[cfg(feature = "websocket")]
pub use crate::websocket::{FromWebSocket as _, ToWebSocket as _};
