//! Where what happens is written down: lines on standard error, and spans to an OpenTelemetry collector if one is named.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// How to log, for every command.
#[derive(Debug, Clone, Args)]
pub struct Flags {
    /// What is logged: a level (error, warn, info, debug, trace), or levels by part, as `variorum::store=debug,warn`
    #[arg(long, env = "VARIORUM_LOG", value_name = "FILTER", default_value = "info", global = true)]
    log: String,
    /// How it is written
    #[arg(long, env = "VARIORUM_LOG_FORMAT", value_name = "FORMAT", default_value = "text", global = true)]
    log_format: Format,
    /// OpenTelemetry collector that spans are sent to, over HTTP with protobuf, as http://127.0.0.1:4318/v1/traces [default: none]
    #[arg(long, env = "VARIORUM_OTLP", value_name = "URL", global = true)]
    otlp: Option<String>,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error("the log filter {filter:?} is not right: {error}")]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        error: ParseError,
    },
    /// The collector cannot be used.
    #[error("spans cannot be sent to {url}: {error}")]
    Collector {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        error: Box<opentelemetry_otlp::ExporterBuildError>,
    },
}

/// Logging under way. Sends what is left of the spans when it is dropped.
pub struct Logs {
    spans: Option<SdkTracerProvider>,
}

impl Drop for Logs {
    fn drop(&mut self) {
        if let Some(spans) = &self.spans
            && let Err(error) = spans.shutdown()
        {
            eprintln!("variorum: the last spans were not sent: {error}");
        }
    }
}

/// Begins to log as the flags say, for the whole process.
pub fn start(flags: &Flags) -> Result<Logs, LogError> {
    let filter =
        EnvFilter::try_new(&flags.log).map_err(|error| LogError::Filter { filter: flags.log.clone(), error })?;
    // Colours are for terminals alone: a file or a journal would keep their escape codes.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let lines = match flags.log_format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().boxed(),
    };
    let spans = flags.otlp.as_deref().map(provider).transpose()?;
    // Spans are of level debug: whatever the lines show, the collector gets every one of ours, and none of its own sending.
    let ours = Targets::new().with_target("variorum", LevelFilter::DEBUG);
    let traced = spans
        .as_ref()
        .map(|spans| tracing_opentelemetry::layer().with_tracer(spans.tracer("variorum")).with_filter(ours));
    tracing_subscriber::registry().with(traced).with(lines.with_filter(filter)).init();
    Ok(Logs { spans })
}

fn provider(url: &str) -> Result<SdkTracerProvider, LogError> {
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_endpoint(url).build();
    let exporter = exporter.map_err(|error| LogError::Collector { url: url.to_owned(), error: Box::new(error) })?;
    let resource = Resource::builder().with_service_name("variorum").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
