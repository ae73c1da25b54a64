//! The webhook receiver, put together.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::{AppError, Running, listen, spawn_server};
use crate::config::{Config, Hook, Hooks};
use crate::http::Limits;
use crate::http::hooks::{Endpoint, HookLimits, Queue, Receiver, Token};
use crate::runtime;

/// Binds the address of the receiver, where one is configured.
pub fn bind_hooks(config: &Config) -> Result<Option<TcpListener>, AppError> {
    config.hooks.as_ref().map(|hooks| listen(hooks.listen, "hooks.listen")).transpose()
}

impl Running {
    /// Starts the webhook receiver. It refuses what comes until the log can be written, so it may be
    /// started before the topics are right. Returns where it listens.
    pub fn receive(&mut self, listener: TcpListener) -> Result<Option<SocketAddr>, AppError> {
        let Some(hooks) = self.context.config.hooks.clone() else {
            return Ok(None);
        };
        let address = listener.local_addr().map_err(AppError::Thread)?;
        tracing::info!(listen = %address, endpoints = hooks.endpoints.len(), "receiving webhooks");
        let limits = Limits {
            connections: hooks.max_connections,
            header_read: hooks.header_timeout,
            ..Limits::default()
        };
        self.context.health.set("hooks", Err("starting".to_owned()));
        // A queue and a writer a topic: one that takes nothing must not hold up the others.
        let all_waiting = Arc::new(AtomicUsize::new(0));
        let mut queues: BTreeMap<Arc<str>, Queue> = BTreeMap::new();
        let mut waiting = Vec::new();
        for topic in hooks.endpoints.iter().map(|hook| Arc::<str>::from(hook.topic.as_str())) {
            queues.entry(topic.clone()).or_insert_with(|| {
                let (queue, taken) = Queue::of(hooks.max_waiting, &all_waiting);
                waiting.push((topic, taken));
                queue
            });
        }
        let (telemetry, now) = (self.context.telemetry.clone(), self.context.clock.clone());
        let limits_of_hooks = limits_of(&hooks);
        let of = |hook: Hook| endpoint(&queues, hook);
        let endpoints = hooks.endpoints.into_iter().filter_map(of).collect();
        drop(queues);
        let receiver = Receiver::new(endpoints, limits_of_hooks, telemetry, now);
        let stop = self.context.stop.clone();
        // The server first: at the end its last requests are still written.
        self.servers.push(spawn_server("hooks http", stop, listener, receiver.router(), limits)?);
        let scribes = runtime::hooks::start(&self.context, waiting).map_err(AppError::Thread)?;
        self.servers.extend(scribes);
        Ok(Some(address))
    }
}

fn limits_of(hooks: &Hooks) -> HookLimits {
    HookLimits {
        max_body: hooks.max_body,
        max_buffered: hooks.max_buffered,
        body_read: hooks.body_timeout,
        acknowledge: hooks.ack_timeout,
        rate: hooks.max_rate,
    }
}

fn endpoint(queues: &BTreeMap<Arc<str>, Queue>, hook: Hook) -> Option<Endpoint> {
    let (topic, queue) = queues.get_key_value(hook.topic.as_str())?;
    Some(Endpoint {
        path: hook.path,
        source: hook.source,
        topic: topic.clone(),
        queue: queue.clone(),
        verifier: hook.verifier,
        headers: hook.headers,
        handshake: hook.handshake,
        verify_token: hook.verify_token.map(|token| Token(token.0)),
    })
}
