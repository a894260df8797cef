{{- define "gitseal.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "gitseal.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "gitseal.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "gitseal.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "gitseal.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gitseal.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- required "serviceAccount.name is needed if serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "gitseal.selector" -}}
app.kubernetes.io/name: {{ include "gitseal.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gitseal.labels" -}}
{{ include "gitseal.selector" . }}
app.kubernetes.io/part-of: gitseal
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* metadata of an object: {root, name, namespaced, labels, annotations} */ -}}
{{- define "gitseal.metadata" -}}
name: {{ .name }}
{{- if .namespaced }}
namespace: {{ .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "gitseal.labels" .root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "gitseal.subject" -}}
subjects:
- kind: ServiceAccount
  name: {{ include "gitseal.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* bindings of a ClusterRole, everywhere or in the watched namespaces: {root, name} */ -}}
{{- define "gitseal.bind" -}}
{{- $ := .root }}
{{- $role := .name }}
{{- range default (list "") $.Values.watchNamespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "RoleBinding" "ClusterRoleBinding" (ne . "") }}
metadata:
  {{- include "gitseal.metadata" (dict "root" $ "name" $role) | nindent 2 }}
  {{- with . }}
  namespace: {{ . }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $role }}
{{ include "gitseal.subject" $ }}
{{- end }}
{{- end }}
