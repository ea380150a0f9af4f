{{/* The chart's name, as in labels. */}}
{{- define "batchyard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* What everything the chart installs is named after: the release, with the chart's name where that says more. */}}
{{- define "batchyard.fullname" -}}
{{- $name := include "batchyard.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The operator's service account. What it may do is bound to it, so it must be nobody else's. */}}
{{- define "batchyard.serviceAccountName" -}}
{{- $name := default "" .Values.serviceAccount.name }}
{{- if and (not .Values.serviceAccount.create) (not $name) }}
{{- fail "serviceAccount.create is false: set serviceAccount.name to the account that the operator is to use" }}
{{- end }}
{{- $name = default (include "batchyard.fullname" .) $name }}
{{- if eq $name "default" }}
{{- fail "the operator's service account must not be default, which every pod of the namespace has: set serviceAccount.name to another" }}
{{- end }}
{{- $name }}
{{- end }}

{{/* Whether the port speaks TLS; tokens must not cross the network in the clear. */}}
{{- define "batchyard.scheme" -}}
{{- if .Values.metrics.tls.secretName -}}
https
{{- else if .Values.metrics.authentication -}}
{{- fail "metrics.authentication needs metrics.tls.secretName: tokens must not cross the network in the clear" }}
{{- else -}}
http
{{- end }}
{{- end }}

{{/* Labels that find the operator's pods; they never change. */}}
{{- define "batchyard.selectorLabels" -}}
app.kubernetes.io/name: {{ include "batchyard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Labels of everything the chart installs. */}}
{{- define "batchyard.labels" -}}
{{ include "batchyard.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
