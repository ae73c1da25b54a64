//! The HTTP client: one POST, and what its answer means.

use std::time::Duration;

use super::{Outcome, Request};
use crate::clock::wall_ms;
use crate::config::Receiver;

/// Posts to one receiver.
pub struct Client {
    agent: ureq::Agent,
    url: String,
}

impl Client {
    /// A client. It follows no redirect: the receiver is the one that was named.
    pub fn new(receiver: &Receiver) -> Client {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(receiver.timeout))
            .user_agent(concat!("tidemark/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Client { agent, url: receiver.url.expose().to_owned() }
    }

    /// Posts. What the answer says beside its status is not read: some echo the address.
    pub fn post(&self, request: &Request) -> Outcome {
        let url = match request.path {
            "" => self.url.clone(),
            path => format!("{}{path}", self.url.trim_end_matches('/')),
        };
        let mut call = self.agent.post(url).header("content-type", "application/json");
        for (name, value) in &request.headers {
            call = call.header(*name, value);
        }
        let response = match call.send(&request.body) {
            Ok(response) => response,
            Err(error) => return Outcome::Later(told(&error), None),
        };
        let status = response.status().as_u16();
        let why = format!("it answers {status}");
        match status {
            200..=299 => Outcome::Delivered,
            // These are about the message. All else may be mended where it is sent to: a secret that
            // was changed, an address that is served again in a moment.
            400 | 410 | 413 | 415 | 422 => Outcome::Refused(why),
            _ => {
                let after = response.headers().get("retry-after").and_then(|v| v.to_str().ok());
                Outcome::Later(why, after.and_then(|text| pause(text, wall_ms())))
            }
        }
    }
}

/// What went wrong, without the address.
fn told(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Tls(what) => format!("TLS: {what}"),
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        _ => "no connection".to_owned(),
    }
}

/// What `Retry-After` asks for: seconds, or a date.
fn pause(text: &str, now_ms: i64) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let at = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    let millis = at.timestamp_millis().saturating_sub(now_ms);
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_or_a_date() {
        assert_eq!(pause(" 90 ", 0), Some(Duration::from_secs(90)));
        let at = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(pause(at, 1_445_412_420_000), Some(Duration::from_secs(60)));
        assert_eq!(pause(at, 1_445_412_540_000), Some(Duration::ZERO));
        assert_eq!(pause("soon", 0), None);
    }
}
