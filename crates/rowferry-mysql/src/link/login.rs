//! Logging in: what both ends can do, encryption, and the proof of the password.
//!
//! ```text
//! server   what it can, a nonce, the method that it likes best
//! client   [that it will encrypt now; everything behind it is encrypted]
//! client   what it can, user, database, proof by that method
//! server   done, or another method with another nonce, or a question of the method
//! ```
//!
//! The methods are those of the driver. One that sends the password as it is, is not among them.

use std::collections::HashMap;

use mysql_async::{DriverError, Error};
use mysql_common::constants::CapabilityFlags;
use mysql_common::crypto;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{
    AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse, SslRequest,
};
use mysql_common::proto::MySerialize;
use rowferry_core::Endpoint;

use super::packets::{Packets, garbled};
use super::stream::{Stream, Upgrade, address};
use super::{END, ERROR, OK, error_packet};

/// Bytes of the nonce; the servers send a zero behind it.
const NONCE_BYTES: usize = 20;
/// The longest packet that is spoken of; the protocol's own limit.
const PACKET_BYTES_MAX: u32 = 1 << 30;
/// `utf8mb4_general_ci`, which every version has had since 5.5.
const COLLATION: u8 = 45;
/// Collations by their numbers came with this version; the older ones know fewer.
const VERSION: (u16, u16, u16) = (5, 5, 3);

/// First byte of a method's own messages.
const MORE: u8 = 0x01;
/// What `caching_sha2_password` says: the proof was right, or the password itself is needed.
const PROVEN: u8 = 0x03;
const PASSWORD_WANTED: u8 = 0x04;
/// What it is asked for: its public key.
const PUBLIC_KEY: u8 = 0x02;

/// What this end can.
const WANTED: CapabilityFlags = CapabilityFlags::CLIENT_LONG_PASSWORD
    .union(CapabilityFlags::CLIENT_LONG_FLAG)
    .union(CapabilityFlags::CLIENT_PROTOCOL_41)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
    .union(CapabilityFlags::CLIENT_CONNECT_ATTRS)
    .union(CapabilityFlags::CLIENT_DEPRECATE_EOF);

/// A session that was let in.
pub(super) struct Session {
    pub(super) packets: Packets,
    pub(super) capabilities: CapabilityFlags,
    pub(super) id: u32,
}

/// Connects to the endpoint's server and logs in.
pub(super) async fn log_in(endpoint: &Endpoint) -> Result<Session, Error> {
    let upgrade = Upgrade::of(endpoint)?;
    let socket = address(endpoint).connect().await?;
    let mut packets = Packets::new(Stream::Plain(socket), endpoint.limits.progress);
    let greeting = packet(&mut packets, CapabilityFlags::empty()).await?;
    let greeting = ParseBuf(&greeting).parse::<HandshakePacket<'_>>(())?;
    let mut capabilities = WANTED & greeting.capabilities();
    // MySQL keeps to what it was told before the encryption began.
    capabilities.set(CapabilityFlags::CLIENT_CONNECT_WITH_DB, !endpoint.database.is_empty());
    if let Some(upgrade) = upgrade {
        if !greeting.capabilities().contains(CapabilityFlags::CLIENT_SSL) {
            return Err(DriverError::NoClientSslFlagFromServer.into());
        }
        capabilities |= CapabilityFlags::CLIENT_SSL;
        let request = SslRequest::new(capabilities, PACKET_BYTES_MAX, COLLATION);
        packets.reply(&bytes(&request)).await?;
        packets = packets.encrypt(upgrade).await?;
    }
    let mut nonce = greeting.scramble_1_ref().to_vec();
    nonce.extend_from_slice(greeting.scramble_2_ref().unwrap_or_default());
    nonce.resize(NONCE_BYTES, 0);
    let method = match greeting.auth_plugin() {
        Some(AuthPlugin::CachingSha2Password) => AuthPlugin::CachingSha2Password,
        _ => AuthPlugin::MysqlNativePassword,
    };
    let mut proof = Proof { endpoint, method, nonce };
    let own = |text: &str| (!text.is_empty()).then(|| text.as_bytes().to_vec());
    let attributes = HashMap::from([("program_name".to_owned(), endpoint.application.clone())]);
    let first = proof.of_password();
    let response = HandshakeResponse::new(
        first.as_deref(),
        VERSION,
        Some(endpoint.user.as_bytes()),
        own(&endpoint.database),
        Some(proof.method.clone()),
        capabilities,
        Some(attributes),
        PACKET_BYTES_MAX,
    );
    packets.reply(&bytes(&response)).await?;
    proof.give(&mut packets, capabilities).await?;
    Ok(Session { packets, capabilities, id: greeting.connection_id() })
}

/// The proof that the password is known, by a method that the server names.
struct Proof<'a> {
    endpoint: &'a Endpoint,
    method: AuthPlugin<'static>,
    nonce: Vec<u8>,
}

impl Proof<'_> {
    fn password(&self) -> &str {
        self.endpoint.password.as_ref().map_or("", |password| password.reveal())
    }

    /// What the method sends first; `None` without a password.
    fn of_password(&self) -> Option<Vec<u8>> {
        let proof = self.method.gen_data(Some(self.password()), &self.nonce)?;
        Some(bytes(&proof))
    }

    /// Answers what the server asks until it lets us in.
    async fn give(
        &mut self,
        packets: &mut Packets,
        capabilities: CapabilityFlags,
    ) -> Result<(), Error> {
        let mut switched = false;
        loop {
            let message = packet(packets, capabilities).await?;
            match message.split_first() {
                Some((&OK, _)) => return Ok(()),
                Some((&END, _)) if !switched => {
                    switched = true;
                    self.switch(&message)?;
                    let asks_first = matches!(self.method, AuthPlugin::MariadbParsec { .. });
                    let proof = if asks_first { None } else { self.of_password() };
                    packets.reply(&proof.unwrap_or_default()).await?;
                }
                Some((&MORE, rest)) => self.go_on(packets, rest).await?,
                // The first servers with this method sent its question without that byte.
                Some(_) if matches!(self.method, AuthPlugin::MariadbParsec { .. }) => {
                    self.go_on(packets, &message).await?;
                }
                _ => return Err(garbled("a login in no known form")),
            }
        }
    }

    /// Takes the method that the server wants, and its nonce.
    fn switch(&mut self, message: &[u8]) -> Result<(), Error> {
        if message.len() == 1 {
            return Err(DriverError::MysqlOldPasswordDisabled.into());
        }
        let request = ParseBuf(message).parse::<AuthSwitchRequest<'_>>(())?;
        self.nonce = request.plugin_data().to_vec();
        if self.nonce.is_empty() {
            return Err(garbled("a login without a nonce"));
        }
        self.method = request.auth_plugin().into_owned();
        match &self.method {
            AuthPlugin::MysqlOldPassword => Err(DriverError::MysqlOldPasswordDisabled.into()),
            AuthPlugin::MysqlClearPassword => Err(DriverError::CleartextPluginDisabled.into()),
            AuthPlugin::Other(name) => {
                let name = String::from_utf8_lossy(name).into_owned();
                Err(DriverError::UnknownAuthPlugin { name }.into())
            }
            AuthPlugin::MysqlNativePassword
            | AuthPlugin::CachingSha2Password
            | AuthPlugin::Ed25519
            | AuthPlugin::MariadbParsec { .. } => Ok(()),
        }
    }

    /// Answers a message of the method.
    async fn go_on(&mut self, packets: &mut Packets, message: &[u8]) -> Result<(), Error> {
        match (&mut self.method, message) {
            (AuthPlugin::CachingSha2Password, [PROVEN]) => Ok(()),
            (AuthPlugin::CachingSha2Password, [PASSWORD_WANTED]) => {
                let mut password = self.password().as_bytes().to_vec();
                password.push(0);
                if packets.stream().is_private() {
                    return packets.reply(&password).await;
                }
                packets.reply(&[PUBLIC_KEY]).await?;
                let answer = packet(packets, WANTED).await?;
                let Some((&MORE, key)) = answer.split_first() else {
                    return Err(garbled("no public key"));
                };
                for (byte, nonce) in password.iter_mut().zip(self.nonce.iter().cycle()) {
                    *byte ^= nonce;
                }
                packets.reply(&crypto::encrypt(&password, key)).await
            }
            (method @ AuthPlugin::MariadbParsec { .. }, question) => {
                method.read_add_data(question).ok_or(DriverError::InvalidParsecSalt)?;
                let proof = self.of_password().ok_or(DriverError::InvalidParsecSalt)?;
                packets.reply(&proof).await
            }
            _ => Err(garbled("a login in no known form")),
        }
    }
}

/// The next packet of a login, unless it is an error.
async fn packet(packets: &mut Packets, capabilities: CapabilityFlags) -> Result<Vec<u8>, Error> {
    let place = packets.next().await?;
    let content = packets.content(&place).to_vec();
    drop(packets.take());
    if content.first() == Some(&ERROR) {
        return Err(error_packet(&content, capabilities));
    }
    Ok(content)
}

fn bytes(message: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.serialize(&mut bytes);
    bytes
}
