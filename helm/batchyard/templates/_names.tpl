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

{{- define "batchyard.serviceAccountName" -}}
{{- default (include "batchyard.fullname" .) .Values.serviceAccount.name }}
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
