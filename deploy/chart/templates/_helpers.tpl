{{- define "ktlstop.name" -}}
{{- if contains "ktlstop" .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-ktlstop" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "ktlstop.selector" -}}
app.kubernetes.io/name: ktlstop
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ktlstop.labels" -}}
{{ include "ktlstop.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- /* A probe of a path; with TLS or passwords the kubelet can only see whether somebody listens. */ -}}
{{- define "ktlstop.probe" -}}
{{- if .Values.web.configSecret -}}
tcpSocket: {port: metrics}
{{- else -}}
httpGet: {path: {{ .path }}, port: metrics}
{{- end }}
{{- end }}
