namespace MsResampler.Server.Batching;

/// <summary>The events of computations.</summary>
internal static partial class BatchingEvents
{
    /// <summary>The category.</summary>
    public const string Category = "MsResampler.Server.Batching";

    [LoggerMessage(1, LogLevel.Error, "Model {Model}: requests failed.", EventName = nameof(ComputationFailed))]
    public static partial void ComputationFailed(ILogger logger, string model, Exception exception);

    [LoggerMessage(2, LogLevel.Critical,
        "Model {Model}: the device is lost; only a new process can use it again.", EventName = nameof(DeviceLost))]
    public static partial void DeviceLost(ILogger logger, string model, Exception exception);
}
