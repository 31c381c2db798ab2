using Microsoft.Extensions.Logging;
using MsResampler.Model;

namespace MsResampler.Vision;

/// <summary>The events of a service, in the category MsResampler. The README lists them; a number is never given to
/// another event.</summary>
internal static partial class HostingEvents
{
    public const string Category = "MsResampler";

    /// <summary>The level of <see cref="GridPlanned"/>.</summary>
    public const LogLevel GridPlannedLevel = LogLevel.Debug;

    [LoggerMessage(1, LogLevel.Information, "Loaded the model {Path}, layout {Layout}, in {Seconds:F2} s.",
        EventName = nameof(ModelLoaded))]
    public static partial void ModelLoaded(ILogger logger, string path, CheckpointLayout layout, double seconds);

    [LoggerMessage(2, LogLevel.Information,
        "The model runs on {Backend}, precision {Precision}, with {WeightBytes} bytes of weights.",
        EventName = nameof(BackendSelected))]
    public static partial void BackendSelected(ILogger logger, string backend, Precision precision, long? weightBytes);

    [LoggerMessage(3, LogLevel.Information, "Loaded the encoder {Path}, {ChannelCount} channels, in {Seconds:F2} s.",
        EventName = nameof(EncoderLoaded))]
    public static partial void EncoderLoaded(ILogger logger, string path, int channelCount, double seconds);

    [LoggerMessage(4, GridPlannedLevel,
        "The patch grid {Grid} is new; keys/values of the scopes: {Strategies}; {Flops:G3} operations per image.",
        EventName = nameof(GridPlanned), SkipEnabledCheck = true)]
    public static partial void GridPlanned(ILogger logger, PatchGrid grid, string strategies, double flops);

    [LoggerMessage(5, LogLevel.Information,
        "Warmed up in {Seconds:F2} s, with {GridCount} patch grid(s) and, if there is one, the encoder.",
        EventName = nameof(WarmedUp))]
    public static partial void WarmedUp(ILogger logger, double seconds, int gridCount);

    [LoggerMessage(6, LogLevel.Warning, "The model {Path}: {Warning}", EventName = nameof(ModelWarning))]
    public static partial void ModelWarning(ILogger logger, string path, string warning);

    [LoggerMessage(7, LogLevel.Critical, "The model cannot be used; calls will fail.", EventName = nameof(ModelFailed))]
    public static partial void ModelFailed(ILogger logger, Exception exception);
}
