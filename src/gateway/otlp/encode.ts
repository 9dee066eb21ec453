// Spans as an OTLP request, in protobuf (which MLflow wants) or JSON. OpenTelemetry's own serializers do it; its exporters and
// its SDK stay outside, they bring timers, globals and a queue of their own.
import { SpanKind, SpanStatusCode, TraceFlags, type HrTime } from '@opentelemetry/api';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';

import type { RequestSpan } from './span.js';

export type OtlpProtocol = 'protobuf' | 'json';

export const contentTypes: Record<OtlpProtocol, string> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

type ReadableSpan = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0][number];

export function encodeSpans(spans: readonly RequestSpan[], protocol: OtlpProtocol): Uint8Array {
  const serializer = protocol === 'json' ? JsonTraceSerializer : ProtobufTraceSerializer;
  return serializer.serializeRequest(spans.map(readable)) ?? new Uint8Array();
}

const resource = resourceFromAttributes({ 'service.name': 'mlx-gateway' });

function readable(span: RequestSpan): ReadableSpan {
  return {
    name: span.name,
    kind: SpanKind.CLIENT,
    spanContext: () => ({ traceId: span.traceId, spanId: span.spanId, traceFlags: TraceFlags.SAMPLED }),
    startTime: timeOf(span.startMs),
    endTime: timeOf(span.endMs),
    duration: timeOf(span.endMs - span.startMs),
    status: { code: span.failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
    attributes: span.attributes,
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: { name: 'mlx' },
    ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
  };
}

/** Seconds and nanoseconds. */
function timeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
