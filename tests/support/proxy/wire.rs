//! The frames of the Kafka protocol, as far as a proxy has to understand them: where one ends,
//! what is asked, and which answer belongs to which question.

/// Longest frame that is taken for one. What claims to be longer is not Kafka.
pub const FRAME_MAX: usize = 256 << 20;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Api(pub i16);

impl Api {
    pub const PRODUCE: Api = Api(0);
    pub const FETCH: Api = Api(1);
    pub const LIST_OFFSETS: Api = Api(2);
    pub const METADATA: Api = Api(3);
    pub const OFFSET_COMMIT: Api = Api(8);
    pub const JOIN_GROUP: Api = Api(11);
    pub const HEARTBEAT: Api = Api(12);
    pub const SYNC_GROUP: Api = Api(14);
}

/// The part of a request's header that all its versions share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub api: Api,
    pub version: i16,
    pub correlation: i32,
}

impl Request {
    /// Reads the header at the start of a frame's body; `None` where it is too short for one.
    pub fn parse(body: &[u8]) -> Option<Request> {
        Some(Request {
            api: Api(i16::from_be_bytes(body.get(0..2)?.try_into().ok()?)),
            version: i16::from_be_bytes(body.get(2..4)?.try_into().ok()?),
            correlation: correlation(body.get(4..)?)?,
        })
    }
}

/// The name of the client in the body of a request, where it has one.
pub fn client_of(body: &[u8]) -> Option<&str> {
    let length = i16::from_be_bytes(body.get(8..10)?.try_into().ok()?);
    let name = body.get(10..)?.get(..usize::try_from(length).ok()?)?;
    std::str::from_utf8(name).ok()
}

/// The correlation id at the start of the body of a response.
pub fn correlation(body: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(body.get(0..4)?.try_into().ok()?))
}

/// The length of the body behind a frame's first four bytes; `None` where that is no frame.
pub fn body_length(prefix: [u8; 4]) -> Option<usize> {
    usize::try_from(i32::from_be_bytes(prefix)).ok().filter(|n| *n <= FRAME_MAX)
}

/// Cuts a stream of bytes into the bodies of frames.
#[derive(Default)]
pub struct Frames {
    held: Vec<u8>,
}

impl Frames {
    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole frame, its length included. An error where the stream is not Kafka's.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, NotKafka> {
        let Some(prefix) = self.held.get(0..4).and_then(|b| b.try_into().ok()) else {
            return Ok(None);
        };
        let end = 4 + body_length(prefix).ok_or(NotKafka)?;
        if self.held.len() < end {
            return Ok(None);
        }
        let rest = self.held.split_off(end);
        Ok(Some(std::mem::replace(&mut self.held, rest)))
    }
}

/// The bytes cannot be the start of a frame.
#[derive(Debug, PartialEq, Eq)]
pub struct NotKafka;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        [&(body.len() as i32).to_be_bytes()[..], body].concat()
    }

    #[test]
    fn a_header_is_read_from_its_place() {
        let body = [0, 11, 0, 9, 0, 0, 1, 2, 0, 2, b'm', b'e', 0xff];
        let expected = Request { api: Api::JOIN_GROUP, version: 9, correlation: 258 };
        assert_eq!(Request::parse(&body), Some(expected));
        assert_eq!(Request::parse(&body[..7]), None);
        assert_eq!((client_of(&body), client_of(&body[..11])), (Some("me"), None));
        assert_eq!((correlation(&[0, 0, 1]), correlation(&[0, 0, 1, 2])), (None, Some(258)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(Request::parse(&bytes).is_some(), bytes.len() >= 8);
            prop_assert_eq!(correlation(&bytes).is_some(), bytes.len() >= 4);
            prop_assert!(client_of(&bytes).is_none_or(|name| name.len() + 10 <= bytes.len()));
        }

        #[test]
        fn any_stream_is_frames_until_it_is_not(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..20),
        ) {
            let mut frames = Frames::default();
            'stream: for chunk in &chunks {
                frames.push(chunk);
                loop {
                    match frames.next() {
                        Ok(Some(frame)) => prop_assert!(frame.len() >= 4),
                        Ok(None) => break,
                        Err(NotKafka) => break 'stream,
                    }
                }
            }
        }

        #[test]
        fn frames_come_out_whole_however_they_are_cut(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..10),
            size in 1usize..30,
        ) {
            let sent: Vec<Vec<u8>> = bodies.iter().map(|b| frame(b)).collect();
            let (mut frames, mut came) = (Frames::default(), Vec::new());
            for chunk in sent.concat().chunks(size) {
                frames.push(chunk);
                while let Some(frame) = frames.next().unwrap() {
                    came.push(frame);
                }
            }
            prop_assert_eq!(came, sent);
        }
    }
}
