using MsResampler.Server.Hosting.Configuration;
using MsResampler.Server.Rest;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace MsResampler.Server.Hosting;

/// <summary>Traces for OpenTelemetry, only if its variables ask for them: without a listener, activities cost
/// nothing.</summary>
internal static class Tracing
{
    private const string ServiceName = "msresampler-server";
    private const string ExporterVariable = "OTEL_TRACES_EXPORTER";
    private const string DisabledVariable = "OTEL_SDK_DISABLED";
    private const string Otlp = "otlp";
    private const string None = "none";
    private const string HealthPath = "/v2/health";
    private const string GrpcHealthPath = "/grpc.health";

    private static readonly string[] s_endpointVariables =
        ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

    /// <summary>Whether the variables ask for traces.</summary>
    /// <exception cref="SettingsException">They name an exporter that this program does not have.</exception>
    public static bool IsWanted(IConfiguration variables)
    {
        if ("true".Equals(variables[DisabledVariable], StringComparison.OrdinalIgnoreCase))
            return false;
        string? exporter = variables[ExporterVariable];
        if (string.IsNullOrEmpty(exporter))
            return s_endpointVariables.Any(name => !string.IsNullOrEmpty(variables[name]));
        return exporter == Otlp || (exporter == None ? false : throw new SettingsException(
            $"{ExporterVariable}: expected {Otlp} or {None}, found '{exporter}'"));
    }

    /// <summary>Adds traces of requests, of batches and of the engine.</summary>
    public static void Add(IServiceCollection services)
        => services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(ServiceName, serviceVersion: CommandLine.Version)
                .AddEnvironmentVariableDetector())
            .WithTracing(traces => traces.AddSource(Telemetry.Name).AddAspNetCoreInstrumentation(options =>
            {
                options.Filter = context => context.Request.Path.Value is { } path && path != MetricsEndpoint.Path
                    && !path.StartsWith(HealthPath, StringComparison.Ordinal)
                    && !path.StartsWith(GrpcHealthPath, StringComparison.Ordinal);
            }).AddOtlpExporter());
}
