namespace MsResampler.Training.Attention;

/// <summary>The operands of one head of one scope for one frame. Pointers are to the first channel of the head, d
/// floats are read from each row.</summary>
/// <param name="Geometry">The windows and biases of the scope on the grid of the frame.</param>
/// <param name="Queries">Projected queries on the grid of the frame, [M, d] in rows of <paramref name="Stride"/>
/// floats.</param>
/// <param name="Keys">Projected keys, [H·W, d] in rows of <paramref name="Stride"/> floats.</param>
/// <param name="Values">Projected values, like the keys.</param>
/// <param name="QueryGradients">Receives the gradient of the queries, like them. It is overwritten.</param>
/// <param name="KeyGradients">The gradient of the keys, which is added to.</param>
/// <param name="ValueGradients">The gradient of the values, which is added to.</param>
/// <param name="Stride">Floats between rows of all of these.</param>
internal readonly unsafe record struct HeadFrame(FrameGeometry Geometry, nint Queries, nint Keys, nint Values,
    nint QueryGradients, nint KeyGradients, nint ValueGradients, int Stride);

/// <summary>The operands of one head of one scope for one group of frames, apart from those of its frames.</summary>
/// <param name="Head">The index of the head.</param>
/// <param name="Outputs">The attended values, [M, d] in rows of <paramref name="Stride"/> floats. The forward pass
/// writes them.</param>
/// <param name="LogSums">The logarithm of the sum of the softmax of each query, [M]. The forward pass writes
/// it.</param>
/// <param name="OutputGradients">The gradient of <paramref name="Outputs"/>, like them.</param>
/// <param name="SigmaGradients">Receives the gradient of log sigma of the head (rows, columns), 2 floats; 0 if sigma is
/// not learned. It is overwritten.</param>
/// <param name="Stride">Floats between rows.</param>
internal readonly unsafe record struct HeadGroup(int Head, nint Outputs, nint LogSums, nint OutputGradients,
    nint SigmaGradients, int Stride);
