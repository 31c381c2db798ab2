namespace MsResampler.Training;

/// <summary>Features and the tokens of a teacher. Items are images or groups of frames. Calls come from one thread;
/// values are read again in every epoch, so that they need not be in memory.</summary>
public interface IDistillationData
{
    /// <summary>The number of items.</summary>
    int ItemCount { get; }

    /// <summary>The patch grids of the frames of an item; one for an image.</summary>
    /// <param name="item">The item, from 0.</param>
    ReadOnlySpan<PatchGrid> GridsOf(int item);

    /// <summary>The temporal ids of the frames of an item, −1 for a frame without a time.</summary>
    /// <param name="item">The item, from 0.</param>
    ReadOnlySpan<int> TemporalIdsOf(int item);

    /// <summary>Reads the features of all frames of an item, each [H·W, C] row-major.</summary>
    /// <param name="item">The item, from 0.</param>
    /// <param name="destination">Receives the features.</param>
    void ReadFeatures(int item, Span<float> destination);

    /// <summary>Reads the tokens of the teacher for an item, [M, L] row-major.</summary>
    /// <param name="item">The item, from 0.</param>
    /// <param name="destination">Receives the tokens.</param>
    void ReadTokens(int item, Span<float> destination);
}
