import { describe, expect, it } from 'vitest';

import { openMetrics } from '../../../../src/gateway/metrics/metrics.js';
import { trafficRow } from '../../ledger/traffic-example.js';

const moment = { budgets: [], inFlight: {}, rowsDropped: 0, capturesLost: 0 };

/** Value by name and labels. */
function parse(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

describe('metrics', () => {
  it('count requests, tokens, cost and times under the names of the conventions', () => {
    const metrics = openMetrics();
    metrics.observe(trafficRow({ durationMs: 30, firstTokenMs: 5 }));
    metrics.observe(
      trafficRow({
        durationMs: 500_000,
        status: 502,
        errorClass: 'broken',
        costUsd: null,
        inputTokens: null,
        outputTokens: null,
        firstTokenMs: null,
      }),
    );
    const values = parse(metrics.text(moment));
    const what =
      'gen_ai_operation_name="chat",gen_ai_provider_name="local",gen_ai_request_model="tickets",mlx_route="tickets"';
    expect(values.get(`gen_ai_client_operation_duration_seconds_bucket{${what},le="0.02"}`)).toBe(0);
    expect(values.get(`gen_ai_client_operation_duration_seconds_bucket{${what},le="0.04"}`)).toBe(1);
    expect(values.get(`gen_ai_client_operation_duration_seconds_bucket{${what},error_type="broken",le="81.92"}`)).toBe(
      0,
    );
    expect(values.get(`gen_ai_client_operation_duration_seconds_bucket{${what},error_type="broken",le="+Inf"}`)).toBe(
      1,
    );
    expect(values.get(`gen_ai_client_operation_duration_seconds_sum{${what}}`)).toBe(0.03);
    expect(values.get(`gen_ai_client_operation_time_to_first_chunk_seconds_count{${what}}`)).toBe(1);
    expect(values.get(`gen_ai_client_token_usage_sum{${what},gen_ai_token_type="input"}`)).toBe(10);
    expect(values.get('mlx_gateway_requests_total{mlx_route="tickets",mlx_tenant="acme",status="502"}')).toBe(1);
    expect(values.get('mlx_gateway_cost_usd_total{mlx_route="tickets",mlx_tenant="acme"}')).toBe(0.25);
  });

  it('say how budgets and open requests stand at the moment', () => {
    const budget = {
      account: 'key:a',
      limit: 'usdPerDay',
      unit: 'usd' as const,
      reserved: 0,
      left: 1,
      resetsAtMs: 0,
      state: 'ok' as const,
    };
    const values = parse(
      openMetrics().text({
        budgets: [{ ...budget, allowed: 2, used: 1 }],
        inFlight: { 'tickets-v1': 3 },
        rowsDropped: 7,
        capturesLost: 2,
      }),
    );
    expect(Object.fromEntries(values)).toEqual({
      'mlx_gateway_budget_used_ratio{mlx_account="key:a",mlx_limit="usdPerDay"}': 0.5,
      'mlx_gateway_requests_open{mlx_server="tickets-v1"}': 3,
      mlx_gateway_traffic_rows_lost: 7,
      mlx_gateway_captures_lost: 2,
    });
  });

  it('do not grow without end when a client invents features, and write any label so that it can be read', () => {
    const metrics = openMetrics();
    for (let index = 0; index < 5000; index += 1) metrics.observe(trafficRow({ feature: `feature-${index}` }));
    metrics.observe(trafficRow({ route: 'a"b\\c\nd' }));
    const text = metrics.text(moment);
    expect(text.split('\n').length).toBeLessThan(4500);
    const values = parse(text);
    expect(
      values.get('mlx_gateway_requests_total{mlx_route="other",mlx_tenant="other",mlx_feature="other",status="other"}'),
    ).toBe(3001);
    expect(text).toContain('mlx_route="a\\"b\\\\c\\nd"');
  });
});
