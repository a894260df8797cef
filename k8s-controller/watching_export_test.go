package controller

import "time"

// SetGrace makes watches matter sooner that fail.
func (o *Options) SetGrace(watch, list time.Duration) { o.watchGrace, o.listGrace = watch, list }

// SetLeaveGrace gives other controllers less time for manifests that are for them.
func (o *Options) SetLeaveGrace(d time.Duration) { o.leaveGrace = d }
