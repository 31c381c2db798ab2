namespace MsResampler.Server.Protocol;

/// <summary>The names of the tensors of every model.</summary>
internal static class TensorNames
{
    /// <summary>Input [rows, C]: the patch features of all images or frames in order, each [H·W, C].</summary>
    public const string Features = "features";

    /// <summary>Input [frames, 2], INT32: rows and columns of each patch grid.</summary>
    public const string Grids = "grids";

    /// <summary>Input [groups], INT32: the number of frames of each group; without it every grid is an image.</summary>
    public const string Groups = "groups";

    /// <summary>Input [frames], INT32: the temporal id of each frame of groups; without it no frame has one.</summary>
    public const string TemporalIds = "temporal_ids";

    /// <summary>Input [images], BYTES: encoded pictures, for models with an encoder.</summary>
    public const string Image = "image";

    /// <summary>Output [B, M, L]: the visual tokens.</summary>
    public const string Tokens = "tokens";

    /// <summary>Output [B, M, S, R], FP32: the weights of the fusion gate; only if asked for.</summary>
    public const string Gate = "gate";
}
