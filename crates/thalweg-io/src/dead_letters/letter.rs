use std::collections::BTreeMap;
use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use thalweg::Failure;

/// Maximum length of a letter, in bytes of JSON.
pub(super) const MAX_LEN: usize = 16 * 1024 * 1024;

/// Maximum characters of an element that is stored for display only.
const MAX_SHOWN: usize = 1000;

/// An element that a function failed on, in a storable form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Name of the node whose function failed.
    pub node: String,
    /// 1-based position of the element among those of the node; 0 if the failure has no element.
    pub ordinal: u64,
    /// Failed attempts: those of the node's policy plus those of all replays.
    pub attempt: u32,
    /// The error, with its causes.
    pub error: String,
    /// The element.
    pub element: Kept,
}

/// The stored form of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// JSON. Text is stored as a JSON string.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text for display, up to 1,000 characters, of an element that has no other form. It cannot be replayed.
    Shown(String),
}

impl Kept {
    /// Serializes a value to JSON. A value that cannot be serialized becomes a [`Shown`](Self::Shown) with the reason.
    ///
    /// ```
    /// use thalweg_io::dead_letters::Kept;
    ///
    /// let kept = Kept::json(&("roof", 20.5));
    /// assert_eq!(kept, Kept::Json(r#"["roof",20.5]"#.to_string()));
    /// assert_eq!(kept.parse::<(String, f64)>()?, ("roof".to_string(), 20.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn json(element: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_string(element) {
            Ok(json) => Self::Json(json),
            Err(error) => Self::Shown(format!("no JSON can be made of it: {error}")),
        }
    }

    /// The `Debug` output of an element, for display.
    pub fn shown(element: &impl Debug) -> Self {
        let shown = format!("{element:?}");
        Self::Shown(shown.chars().take(MAX_SHOWN).collect())
    }

    /// The text, if the element is one.
    ///
    /// ```
    /// use thalweg_io::dead_letters::Kept;
    ///
    /// assert_eq!(Kept::from("river").text().as_deref(), Some("river"));
    /// assert_eq!(Kept::from(&b"river"[..]).text(), None);
    /// ```
    pub fn text(&self) -> Option<String> {
        self.parse().ok()
    }

    /// Deserializes the JSON.
    ///
    /// # Errors
    /// The element has another form, or its JSON does not fit the type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match self {
            Self::Json(json) => serde_json::from_str(json),
            Self::Bytes(_) => Err(serde::de::Error::custom("the element is bytes, not JSON")),
            Self::Shown(_) => Err(serde::de::Error::custom("the element was only shown")),
        }
    }
}

impl From<&str> for Kept {
    fn from(text: &str) -> Self {
        Self::json(text)
    }
}

impl From<String> for Kept {
    fn from(text: String) -> Self {
        Self::json(&text)
    }
}

impl From<Vec<u8>> for Kept {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Kept {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl DeadLetter {
    /// Creates the letter of a failure, with the stored form of its element.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::dead_letters::DeadLetter;
    ///
    /// let source = Stream::new();
    /// source.try_map(|text: &&str| text.parse::<i32>()).named("parse").sink(drop);
    /// let error = source.emit("two").wait().unwrap_err();
    /// let letter = DeadLetter::new(&error.failures()[0], "two".into());
    /// assert_eq!(
    ///     letter.to_json(),
    ///     r#"{"node":"parse","ordinal":1,"attempt":1,"error":"invalid digit found in string","element":"two"}"#
    /// );
    /// assert_eq!(DeadLetter::from_json(&letter.to_json())?, letter);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(failure: &Failure, element: Kept) -> Self {
        let mut error = failure.cause().to_string();
        let mut cause = failure.cause().source();
        while let Some(behind) = cause {
            let text = behind.to_string();
            // Many errors include their causes in their own text.
            if !error.contains(&text) {
                error = format!("{error}: {text}");
            }
            cause = behind.source();
        }
        Self {
            node: failure.node().to_string(),
            ordinal: failure.ordinal(),
            attempt: failure.attempts(),
            error,
            element,
        }
    }

    /// Serializes the letter as one line of JSON: `node`, `ordinal`, `attempt`, `error`, and the element as `element`,
    /// or as `bytes` in Base64, or as `shown`.
    pub fn to_json(&self) -> String {
        let (name, element) = match &self.element {
            Kept::Json(json) => ("element", one_line(json)),
            Kept::Bytes(bytes) => ("bytes", quoted(&STANDARD.encode(bytes))),
            Kept::Shown(shown) => ("shown", quoted(shown)),
        };
        format!(
            "{{\"node\":{},\"ordinal\":{},\"attempt\":{},\"error\":{},\"{name}\":{element}}}",
            quoted(&self.node),
            self.ordinal,
            self.attempt,
            quoted(&self.error)
        )
    }

    /// Parses a letter from JSON. Unknown fields are ignored.
    ///
    /// # Errors
    /// The text is not JSON, or a field is missing or of the wrong type.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json)?;
        let element = if let Some(element) = fields.get("element") {
            Kept::Json(element.get().to_string())
        } else if fields.contains_key("bytes") {
            let text: String = field(&fields, "bytes")?;
            let bytes = STANDARD.decode(text);
            Kept::Bytes(bytes.map_err(serde::de::Error::custom)?)
        } else {
            Kept::Shown(field(&fields, "shown")?)
        };
        Ok(Self {
            node: field(&fields, "node")?,
            ordinal: field(&fields, "ordinal")?,
            attempt: field(&fields, "attempt")?,
            error: field(&fields, "error")?,
            element,
        })
    }
}

fn field<T: DeserializeOwned>(
    fields: &BTreeMap<String, Box<RawValue>>,
    name: &'static str,
) -> Result<T, serde_json::Error> {
    match fields.get(name) {
        Some(value) => serde_json::from_str(value.get()),
        None => Err(serde::de::Error::missing_field(name)),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Removes line breaks from JSON. They occur between tokens only, since strings escape them.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}
