// What a board must be by the types that Grafana publishes (npm: @grafana/schema). scripts/check-deploy
// appends each board to a copy of this file as `const board: Board = {…};` and has tsc check it.
import type { AnnotationQuery, Dashboard, Panel, RowPanel } from '@grafana/schema';
import type { Options as BarGaugeOptions } from 'panel/bargauge';
import type { Options as StatOptions } from 'panel/stat';
import type { FieldConfig as States, Options as StatesOptions } from 'panel/statetimeline';
import type { FieldConfig as Table, Options as TableOptions } from 'panel/table';
import type { FieldConfig as Lines, Options as LinesOptions } from 'panel/timeseries';

// Enumerations as JSON has them: by value.
type Json<T> = T extends string
  ? string extends T ? string : `${T}`
  : T extends number
    ? T
    : T extends ReadonlyArray<infer U>
      ? Json<U>[]
      : T extends object ? { [K in keyof T]: Json<T[K]> } : T;

// The query of the Prometheus data source.
type Query = {
  refId: string; expr: string; editorMode: 'code'; legendFormat?: string; format?: 'table';
  instant?: boolean; range: boolean; exemplar?: boolean;
};

// A panel of a kind that we use: with the options and the field options of its plugin.
type Of<Kind, Options, Custom> = Omit<Json<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets' | 'title' | 'description'> & {
  type: Kind; title: string; description: string; options: Json<Options>; targets: Query[];
  fieldConfig: Omit<Json<NonNullable<Panel['fieldConfig']>>, 'defaults'> & {
    defaults: Omit<Json<NonNullable<Panel['fieldConfig']>['defaults']>, 'custom'> & { custom?: Partial<Json<Custom>> };
  };
};
// These two have none.
type None = Record<string, never>;
type One =
  | Of<'timeseries', LinesOptions, Lines>
  | Of<'stat', StatOptions, None>
  | Of<'bargauge', BarGaugeOptions, None>
  | Of<'table', TableOptions, Table>
  | Of<'state-timeline', StatesOptions, States>;
type Row = Omit<Json<RowPanel>, 'panels'> & { panels: One[] };

// An annotation of the Prometheus data source: the two formats are its own.
type Annotation = Omit<Json<AnnotationQuery>, 'target'> & {
  target: { expr: string; refId: string }; titleFormat: string; textFormat: string;
};

export type Board = Omit<Json<Dashboard>, 'annotations' | 'panels' | 'schemaVersion'> & {
  schemaVersion: 42;
  annotations: { list: Annotation[] };
  panels: (One | Row)[];
};
