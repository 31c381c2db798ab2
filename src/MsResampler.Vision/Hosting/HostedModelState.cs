namespace MsResampler.Vision;

/// <summary>How far the model of a service is.</summary>
internal enum HostedModelState
{
    /// <summary>Nobody has asked for the model.</summary>
    NotLoaded,

    /// <summary>The model is being loaded.</summary>
    Loading,

    /// <summary>The model is loaded and computes its first images.</summary>
    WarmingUp,

    /// <summary>The model is loaded and, if that was asked for, warm.</summary>
    Ready,

    /// <summary>The model could not be loaded or warmed up.</summary>
    Failed,
}
