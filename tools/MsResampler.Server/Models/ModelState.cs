namespace MsResampler.Server.Models;

/// <summary>How far a model is.</summary>
internal enum ModelState
{
    /// <summary>The model is being loaded or warmed up.</summary>
    Loading,

    /// <summary>The model answers requests.</summary>
    Ready,

    /// <summary>The model could not be loaded; the server keeps running, because other models may work.</summary>
    LoadFailed,

    /// <summary>The device failed; only a new process can use it again.</summary>
    DeviceLost,
}
