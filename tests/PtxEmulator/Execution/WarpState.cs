namespace PtxEmulator.Execution;

internal enum WarpState
{
    Ready,
    AtBarrier,
    Done,
    Faulted,
}
